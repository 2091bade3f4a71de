"""The Pulumi project in which the command runs, and the files of one of its stacks."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from novacron_infra.config.problems import KEY as ENVIRONMENT_KEY
from novacron_rehearsal import PolicyPackSpec
from novacron_rehearsal.project import load_project, qualify_key, read_default
from novacron_rehearsal.state.lock import StackLock
from novacron_rehearsal.yaml_files import read_yaml_mapping

from novacron_ops.errors import Exit, OpsError

_STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
STACK_NAME_RULE = "a stack's name has 1 to 100 letters, digits, hyphens, underscores and dots"


@dataclass(frozen=True, slots=True)
class ProjectStack:
    """A stack of the Pulumi project in a folder. It may not be deployed, and it may have no file of its own."""

    folder: Path
    """Folder of Pulumi.yaml."""
    name: str

    @property
    def file(self) -> Path:
        """The stack's configuration file, `Pulumi.<stack>.yaml`."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    @property
    def state_dir(self) -> Path:
        """Folder of the state; the Pulumi CLI uses it unless PULUMI_BACKEND_URL names another one."""
        return self.folder / ".novacron"

    @property
    def run_dir(self) -> Path:
        """Folder of a local stack's processes and logs."""
        return self.state_dir / "run" / self.name

    @property
    def state_file(self) -> Path:
        """The stack's state, in Pulumi's checkpoint format; it exists once the stack was deployed."""
        return self.state_dir / ".pulumi" / "stacks" / self.project_name / f"{self.name}.json"

    @property
    def project_name(self) -> str:
        """The `name` in Pulumi.yaml."""
        return load_project(self.folder).name

    def read_configuration(self) -> dict[str, object]:
        """Return the stack's configuration over the project's defaults, by key with namespace.

        A key without a namespace belongs to the project, as in Pulumi. A key without a value is there, as None.

        Raises:
            RehearsalError: if a file cannot be read.
        """
        project = load_project(self.folder)
        values = {key: read_default(value) for key, value in _by_key(project.config_defaults).items()}
        if self.file.exists():
            values |= _by_key(read_yaml_mapping(self.file).get("config"))
        return {qualify_key(key, project.name): value for key, value in values.items()}

    def read_environment(self) -> object:
        """Return the environment in the stack's configuration as plain values, None if there is none."""
        return self.read_configuration().get(ENVIRONMENT_KEY)

    def is_cloud(self) -> bool:
        """Return whether the stack's configuration describes an environment on clouds or in a cluster, valid or not."""
        return self._platform() not in (None, "local")

    def is_local(self) -> bool:
        """Return whether the stack's configuration describes an environment of processes on this machine."""
        return self._platform() == "local"

    def _platform(self) -> object:
        """Return the environment's platform as it is written, None without an environment."""
        given = self.read_environment()
        if isinstance(given, str):  # `pulumi config set` may have written JSON text
            with suppress(ValueError):
                given = json.loads(given)
        return cast("dict[str, object]", given).get("platform", "missing") if isinstance(given, dict) else None

    def lock(self) -> StackLock:
        """Lock the stack's state, for use in a `with` statement. Raises `StackLockedError` if another run has it."""
        return StackLock(self.state_dir, self.project_name, self.name)

    def policy_packs(self) -> list[PolicyPackSpec]:
        """Return the project's policy pack with its configuration for this stack; empty if there is no pack."""
        pack = self.folder / "policy"
        if not (pack / "PulumiPolicy.yaml").is_file():
            return []
        config = pack / "config" / f"{self.name}.json"
        return [PolicyPackSpec(pack, config if config.is_file() else None)]


def find_stack(name: str, start: Path | None = None) -> ProjectStack:
    """Return a stack of the project that contains the current folder.

    A stack needs no file of its own if the project has no stack files at all, or if it has been deployed.

    Args:
        name: the stack's name.
        start: folder to search from; the current folder by default.

    Raises:
        OpsError: if there is no project, or the project has other stacks but not this one.
    """
    stack = ProjectStack(find_project(start or Path.cwd()), name)
    if not is_stack_name(name):
        raise OpsError(f"stack {name!r}: {STACK_NAME_RULE}", Exit.BAD_INPUT)
    if stack.file.is_file() or stack.state_file.is_file():
        return stack
    known = sorted(
        file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in stack.folder.glob("Pulumi.*.yaml")
    )
    if known:
        raise OpsError(
            f"stack {name!r}: there is no Pulumi.{name}.yaml; stacks here: {', '.join(known)}", Exit.BAD_INPUT
        )
    return stack


def is_stack_name(name: str) -> bool:
    """Return whether Pulumi allows a name for a stack."""
    return _STACK_NAME.fullmatch(name) is not None


def find_project(start: Path) -> Path:
    """Return the nearest folder, from `start` upwards, that contains a Pulumi.yaml.

    Raises:
        OpsError: if there is none.
        RehearsalError: if the Pulumi.yaml is not that of a Python program.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            load_project(folder)
            return folder
    raise OpsError(f"no Pulumi.yaml in {start} or above it; run the command in the project's folder", Exit.BAD_INPUT)


def _by_key(section: object) -> dict[str, object]:
    """Return the values below `config` by key; empty if it is not a mapping, which the engine reports."""
    return {str(key): value for key, value in section.items()} if isinstance(section, dict) else {}
