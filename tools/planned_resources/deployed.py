"""Deploys a stack to simulated clouds, and returns its resources as the clouds got them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from novacron_rehearsal import Options, Workspace
from novacron_rehearsal.clouds import serve_clouds

ROOT = Path(__file__).parents[2]
STACK_FOLDERS = (ROOT, ROOT / "examples" / "environments")
REDACTED = "(secret)"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key of a value with a special meaning in Pulumi's state."""
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of secrets in Pulumi's state


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedResource:
    """A resource of a cloud with its inputs, as it is after the first deployment."""

    urn: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    """Without secrets: each is `(secret)`, except secret JSON documents, which scanners have to read."""
    references: Mapping[str, tuple[str, ...]]
    """URNs of the resources that an input is made from, by input."""

    @property
    def name(self) -> str:
        """Return the name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def package(self) -> str:
        """Return the package, such as `aws`."""
        return self.type.partition(":")[0]


def find_stack_file(stack: str) -> Path:
    """Return the file of a stack of this project or of its example environments.

    Raises:
        FileNotFoundError: if there is none.
    """
    for folder in STACK_FOLDERS:
        path = folder / f"Pulumi.{stack}.yaml"
        if path.exists():
            return path
    raise FileNotFoundError(f"there is no Pulumi.{stack}.yaml in {' or '.join(map(str, STACK_FOLDERS))}")


def deploy(stack: str) -> list[PlannedResource]:
    """Deploy a stack to simulated clouds, which are removed again, and return its cloud resources.

    Raises:
        RuntimeError: with the errors of a deployment that failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project, faults = folder / "project", folder / "faults.yaml"
        project.mkdir()
        faults.touch()
        (project / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n", encoding="utf-8")
        for source in (ROOT / "__main__.py", find_stack_file(stack)):
            (project / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        with serve_clouds(state=folder / "exists", faults=faults) as ports:
            workspace = Workspace(project, stack, passphrase="of a rehearsal")
            result = workspace.up(Options(in_process=True, attached_providers=ports))
            if not result.succeeded:
                raise RuntimeError(f"{stack} could not be deployed to simulated clouds: {result.errors}")
            states = workspace.export(show_secrets=True)["deployment"]["resources"]
    return [_read(state) for state in states if state.get("custom") and not state["type"].startswith("pulumi:")]


def _read(state: Mapping[str, Any]) -> PlannedResource:
    inputs = {key: value for key, value in state.get("inputs", {}).items() if not key.startswith("__")}
    return PlannedResource(
        urn=state["urn"],
        type=state["type"],
        id=state.get("id", ""),
        inputs=cast("Mapping[str, Any]", _redact(inputs)),
        references={key: tuple(urns) for key, urns in state.get("propertyDependencies", {}).items() if urns},
    )


def _redact(value: object) -> object:
    if isinstance(value, list):
        return [_redact(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    if members.get(_SIGNATURE) == _SECRET:
        plain = json.loads(str(members.get("plaintext", "null")))
        return _redact(plain) if isinstance(plain, dict) else REDACTED
    return {key: _redact(item) for key, item in members.items() if not key.startswith("__")}
