"""What runs a stack: the Pulumi CLI where it is on PATH, else the rehearsal engine; the state folder is the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from novacron_rehearsal import Operation, Options, PolicyPackSpec, Workspace, resolve_passphrase
from novacron_rehearsal.display import Display, plain
from novacron_rehearsal.project import load_project
from rich.console import Console

from novacron_ops.errors import Exit, OpsError


class Engine(str, Enum):
    """Choices of `--engine`."""

    AUTO = "auto"
    CLI = "cli"
    REHEARSAL = "rehearsal"


class Backend(Protocol):
    """What the commands need."""

    description: str

    def run(
        self, operation: Operation, *, refresh: bool = False, go_on: bool = False, exclude: tuple[str, ...] = ()
    ) -> bool:
        """Preview, up, refresh or destroy, shown to the user; whether it went well.

        `go_on` after an error with all that does not depend on what failed; `exclude` URNs by pattern.
        """
        ...

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets redacted; empty for a stack that was never deployed."""
        ...

    def urns(self) -> list[str]:
        """Of everything in the state; empty for a stack that was never deployed."""
        ...

    def export(self, *, show_secrets: bool) -> dict[str, Any]:
        """The state as `pulumi stack export` writes it."""
        ...

    def import_(self, exported: dict[str, Any]) -> None:
        """Take such a state over."""
        ...

    def forget(self) -> None:
        """Remove the state of a stack that has no resources left."""
        ...


def choose(engine: Engine, project_dir: Path, stack: str, console: Console) -> Backend:
    """The backend for a stack.

    Raises:
        OpsError: when the stack does not exist, or the CLI is asked for and not on PATH.
    """
    if not (project_dir / f"Pulumi.{stack}.yaml").is_file():
        known = sorted(file.name.split(".")[1] for file in project_dir.glob("Pulumi.*.yaml"))
        raise OpsError(
            f"stack {stack!r}: there is no Pulumi.{stack}.yaml; stacks here: {', '.join(known)}", Exit.BAD_INPUT
        )
    found = shutil.which("pulumi")
    if engine is Engine.CLI and found is None:
        raise OpsError(
            "--engine cli: no `pulumi` on PATH; run `novacron setup --pulumi`, or leave the option out", Exit.BAD_INPUT
        )
    if found is not None and engine is not Engine.REHEARSAL:
        return PulumiCli(found, project_dir, stack)
    return RehearsalEngine(project_dir, stack, console)


def state_dir(project_dir: Path) -> Path:
    """Where state is kept unless PULUMI_BACKEND_URL says otherwise to the CLI."""
    return project_dir / ".novacron"


class RehearsalEngine:
    """The engine of this repository."""

    description = "rehearsal engine (no Pulumi CLI on PATH, or not wanted): for local, trial and CI use"

    def __init__(self, project_dir: Path, stack: str, console: Console) -> None:
        folder = state_dir(project_dir)
        self._console = console
        self._packs = policy_packs(project_dir, stack)
        self._workspace = Workspace(
            project_dir, stack, backend_dir=folder, passphrase=resolve_passphrase(os.environ, folder)
        )

    def run(
        self, operation: Operation, *, refresh: bool = False, go_on: bool = False, exclude: tuple[str, ...] = ()
    ) -> bool:
        """As in `Backend`."""
        options = Options(refresh=refresh, policy_packs=self._packs, continue_on_error=go_on, exclude=exclude)
        with Display(self._console) as display:
            match operation:
                case Operation.PREVIEW:
                    result = self._workspace.preview(options, display)
                case Operation.UP:
                    result = self._workspace.up(options, display)
                case Operation.REFRESH:
                    result = self._workspace.refresh(options, display)
                case Operation.DESTROY:
                    result = self._workspace.destroy(options, display)
        if result.cancelled:
            raise OpsError("interrupted; what was begun is in the state: run it again to go on", Exit.INTERRUPTED)
        return result.succeeded

    def outputs(self) -> dict[str, Any]:
        """As in `Backend`."""
        return {key: plain(value) for key, value in self._workspace.outputs().items()}

    def urns(self) -> list[str]:
        """As in `Backend`."""
        return [state.urn for state in self._workspace.snapshot().resources]

    def export(self, *, show_secrets: bool) -> dict[str, Any]:
        """As in `Backend`."""
        return self._workspace.export(show_secrets=show_secrets)

    def import_(self, exported: dict[str, Any]) -> None:
        """As in `Backend`."""
        self._workspace.import_(exported)

    def forget(self) -> None:
        """As in `Backend`."""
        if not self._workspace.snapshot().resources:
            self._workspace.forget()


class PulumiCli:
    """The official CLI."""

    description = "Pulumi CLI"

    def __init__(self, executable: str, project_dir: Path, stack: str) -> None:
        folder = state_dir(project_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._executable = executable
        self._project_dir = project_dir
        self._stack = stack
        self._env = dict(os.environ)
        self._env.setdefault("PULUMI_BACKEND_URL", folder.resolve().as_uri())
        self._env.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in self._env:
            self._env["PULUMI_CONFIG_PASSPHRASE"] = resolve_passphrase(os.environ, folder)

    def run(
        self, operation: Operation, *, refresh: bool = False, go_on: bool = False, exclude: tuple[str, ...] = ()
    ) -> bool:
        """As in `Backend`."""
        self._select()
        arguments = [operation.value, "--stack", self._stack]
        if operation is not Operation.PREVIEW:
            # The preview before an `up` or a `destroy` refuses what must not happen before anything has happened.
            arguments += ["--yes", "--skip-preview"] if operation is Operation.REFRESH else ["--yes"]
        if refresh:
            arguments.append("--refresh")
        if go_on and operation is not Operation.PREVIEW:
            arguments.append("--continue-on-error")
        for pattern in exclude:
            arguments += ["--exclude", pattern]
        if operation in (Operation.UP, Operation.PREVIEW):
            for pack in policy_packs(self._project_dir, self._stack):
                arguments += ["--policy-pack", str(pack.path)]
                if pack.config_path is not None:
                    arguments += ["--policy-pack-config", str(pack.config_path)]
        return self._call(arguments).returncode == 0

    def outputs(self) -> dict[str, Any]:
        """As in `Backend`."""
        done = self._call(["stack", "output", "--json", "--stack", self._stack], capture=True)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def urns(self) -> list[str]:
        """As in `Backend`."""
        self._select()
        deployment = self.export(show_secrets=False).get("deployment") or {}
        return [resource["urn"] for resource in deployment.get("resources") or ()]

    def export(self, *, show_secrets: bool) -> dict[str, Any]:
        """As in `Backend`."""
        arguments = ["stack", "export", "--stack", self._stack, *(["--show-secrets"] if show_secrets else [])]
        return json.loads(self._checked(arguments))

    def import_(self, exported: dict[str, Any]) -> None:
        """As in `Backend`."""
        self._select()
        self._checked(["stack", "import", "--stack", self._stack], json.dumps(exported))

    def forget(self) -> None:
        """As in `Backend`."""
        self._call(["stack", "rm", "--yes", "--preserve-config", "--stack", self._stack], capture=True)

    def _select(self) -> None:
        self._checked(["stack", "select", "--create", "--stack", self._stack])

    def _checked(self, arguments: list[str], text: str | None = None) -> str:
        done = self._call(arguments, capture=True, text=text)
        if done.returncode:
            raise OpsError(f"pulumi {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _call(
        self, arguments: list[str], *, capture: bool = False, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._executable, "--non-interactive", *arguments],
            cwd=self._project_dir,
            env=self._env,
            input=text,
            capture_output=capture,
            text=True,
            check=False,
        )


def secret_output(backend: Backend, name: str) -> str | None:
    """An output of the stack, in plain; `None` when it has no such secret."""
    deployment = backend.export(show_secrets=True).get("deployment") or {}
    for resource in deployment.get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            value = (resource.get("outputs") or {}).get(name) or {}
            return json.loads(value["plaintext"]) if "plaintext" in value else None
    return None


def policy_packs(project_dir: Path, stack: str) -> list[PolicyPackSpec]:
    """The project's policy pack, where it has one, with the stack's configuration of it, where there is one."""
    pack = project_dir / "policy"
    if not (pack / "PulumiPolicy.yaml").is_file():
        return []
    config = pack / "config" / f"{stack}.json"
    return [PolicyPackSpec(pack, config if config.is_file() else None)]


def find_project(start: Path) -> Path:
    """The nearest folder, from here up, that holds a Pulumi.yaml. Raises `OpsError` when there is none."""
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            load_project(folder)
            return folder
    raise OpsError(f"no Pulumi.yaml in {start} or above it; run in the project's folder", Exit.BAD_INPUT)
