"""The Pulumi CLI as the backend of a stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from novacron_rehearsal import Operation, StepOp

from novacron_ops.backends.backend import NotDeployedError, RunOutcome, StepSink
from novacron_ops.backends.passphrase import read_passphrase
from novacron_ops.errors import OpsError
from novacron_ops.project import ProjectStack

_NO_STACK = "no stack named"
"""A part of the CLI's error for a stack that was never deployed."""


class PulumiCli:
    """Runs a stack with `pulumi`, by default with the state in the project's folder."""

    description = "Pulumi CLI"

    def __init__(
        self, executable: str, stack: ProjectStack, provider_env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        folder = stack.state_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._executable = executable
        self._stack = stack
        self._env = {**os.environ, **provider_env}
        self._env.setdefault("PULUMI_BACKEND_URL", folder.resolve().as_uri())
        self._env.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
        # Without it, the CLI has no `--event-log`. Pulumi's Automation API sets it as well.
        self._env["PULUMI_DEBUG_COMMANDS"] = "true"
        # The provider of local stacks is installed with this command.
        self._env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), self._env.get("PATH", os.defpath)])
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in self._env:
            self._env["PULUMI_CONFIG_PASSPHRASE"] = read_passphrase(stack)

    def run(
        self,
        operation: Operation,
        *,
        refresh: bool = False,
        continue_on_error: bool = False,
        exclude: tuple[str, ...] = (),
        on_step: StepSink | None = None,
        previewed: bool = False,
    ) -> RunOutcome:
        """Run an operation as `Backend.run` describes. The CLI does not say whether a failed run had started."""
        self._select()
        arguments = [operation.value, "--stack", self._stack.name]
        if operation is not Operation.PREVIEW:
            # The preview before an `up` or a `destroy` finds errors before anything has been changed.
            skip = operation is Operation.REFRESH or previewed
            arguments += ["--yes", "--skip-preview"] if skip else ["--yes"]
        if refresh:
            arguments.append("--refresh")
        if continue_on_error and operation is not Operation.PREVIEW:
            arguments.append("--continue-on-error")
        for pattern in exclude:
            arguments += ["--exclude", pattern]
        if operation.runs_program:
            for pack in self._stack.policy_packs():
                arguments += ["--policy-pack", str(pack.path)]
                if pack.config_path is not None:
                    arguments += ["--policy-pack-config", str(pack.config_path)]
        with TemporaryDirectory() as folder:
            log = Path(folder, "events.json")
            done = self._call([*arguments, "--event-log", str(log)] if on_step is not None else arguments)
            if on_step is not None and log.exists():
                _pass_steps_on(log, on_step)
        return RunOutcome.SUCCEEDED if done.returncode == 0 else RunOutcome.FAILED

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs with secrets redacted; empty if the stack was never deployed.

        Raises:
            OpsError: if the state cannot be read.
        """
        arguments = ["stack", "output", "--json", "--stack", self._stack.name]
        done = self._call(arguments, capture=True)
        if done.returncode and _NO_STACK in done.stderr:
            return {}
        return json.loads(self._output(arguments, done))

    def urns(self) -> list[str]:
        """Return the URNs of all resources in the state; empty if the stack was never deployed."""
        self._select()
        deployment = self.export_state(show_secrets=False).get("deployment") or {}
        return [resource["urn"] for resource in deployment.get("resources") or ()]

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        """Return the state in the format of `pulumi stack export`.

        Raises:
            NotDeployedError: if the stack has no state.
            OpsError: if the state cannot be read.
        """
        arguments = ["stack", "export", "--stack", self._stack.name, *(["--show-secrets"] if show_secrets else [])]
        done = self._call(arguments, capture=True)
        if done.returncode and _NO_STACK in done.stderr:
            raise NotDeployedError(self._stack)
        return json.loads(self._output(arguments, done))

    def import_state(self, exported: dict[str, Any]) -> None:
        """Replace the state with an exported one."""
        self._select()
        self._checked(["stack", "import", "--stack", self._stack.name], json.dumps(exported))

    def forget(self) -> None:
        """Remove the state of a stack that has no resources left."""
        self._call(["stack", "rm", "--yes", "--preserve-config", "--stack", self._stack.name], capture=True)

    def _select(self) -> None:
        self._checked(["stack", "select", "--create", "--stack", self._stack.name])

    def _checked(self, arguments: list[str], text: str | None = None) -> str:
        return self._output(arguments, self._call(arguments, capture=True, text=text))

    def _output(self, arguments: list[str], done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode:
            raise OpsError(f"`pulumi {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def _call(
        self, arguments: list[str], *, capture: bool = False, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._executable, "--non-interactive", *arguments],
            cwd=self._stack.folder,
            env=self._env,
            input=text,
            capture_output=capture,
            text=True,
            check=False,
        )


def _pass_steps_on(log: Path, on_step: StepSink) -> None:
    """Pass on the steps of a log of events: one JSON object on each line."""
    known = {op.value: op for op in StepOp}
    for line in log.read_text(encoding="utf-8").splitlines():
        step = (json.loads(line).get("resourcePreEvent") or {}).get("metadata") or {}
        if step.get("op") in known:
            on_step(known[step["op"]], step["urn"])
