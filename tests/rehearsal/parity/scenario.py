"""Scenarios: a Pulumi program and the steps to take with it, each in a folder of `scenarios/`.

`scenario.yaml` says what it is about and lists the steps. A step is `up`, `preview`, `refresh` or `destroy` with:

- `targets`, `target_dependents`, `replace`: names of resources, as the CLI's options
- `exclude`: patterns of URNs; `continue_on_error`: true to continue after a failure
- `failing`: names for which the providers fail, by method, e.g. `{Delete: [a]}`
- `drift`: new properties by id, or null for what vanished
- `stack`: another stack than `dev`; `config`: more configuration; `pack`: folder of a policy pack
- `differs`: parts of the result in which the engine is knowingly different, each with the reason
- `previewed`: true when the CLI runs its own preview first, which refuses what the engine refuses before it begins
- `fails`: true when the operation must fail; `ordered`: true when the order of the providers' calls must be the same
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PROJECT = "lab"
PASSPHRASE = "correct horse"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation."""

    operation: str
    number: int
    stack: str = "dev"
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    replace: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    continue_on_error: bool = False
    failing: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    drift: dict[str, Any] = field(default_factory=dict[str, Any])
    config: dict[str, str] = field(default_factory=dict[str, str])
    pack: str = ""
    previewed: bool = False
    parallel: int = 16
    fails: bool = False
    ordered: bool = False
    differs: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def title(self) -> str:
        """For messages."""
        return f"step {self.number} ({self.operation}{'' if self.stack == 'dev' else ' of ' + self.stack})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A folder of `scenarios/`."""

    name: str
    about: str
    steps: tuple[Step, ...]
    exists: dict[str, Any]
    """The resources before the first step, by id."""

    @property
    def folder(self) -> Path:
        """Return the scenario's folder."""
        return HERE / "scenarios" / self.name


def names() -> list[str]:
    """The names of all scenarios."""
    return sorted(path.parent.name for path in (HERE / "scenarios").glob("*/scenario.yaml"))


def load(name: str) -> Scenario:
    """Read a scenario. Raises `TypeError` for a key that a step does not have."""
    data = yaml.safe_load((HERE / "scenarios" / name / "scenario.yaml").read_text())
    steps: list[Step] = []
    for number, item in enumerate(data["steps"], 1):
        values = {"operation": item} if isinstance(item, str) else dict(item)
        for key in ("targets", "replace", "exclude"):
            values[key] = tuple(values.get(key, ()))
        steps.append(Step(number=number, **values))
    return Scenario(name, data["about"], tuple(steps), data.get("exists", {}))


def prepare(scenario: Scenario, folder: Path) -> None:
    """Make the scenario's project in an empty folder."""
    shutil.copytree(scenario.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "testing_package.py", folder)
    (folder / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")


def configure(step: Step, folder: Path) -> None:
    """Write the step's stack configuration; the CLI's encryption salt stays."""
    path = folder / f"Pulumi.{step.stack}.yaml"
    settings: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    settings["config"] = {f"{PROJECT}:step": str(step.number), **step.config}
    path.write_text(yaml.safe_dump(settings))


def find_urns(wanted: tuple[str, ...], resources: list[dict[str, Any]]) -> list[str]:
    """The URNs of the resources so named."""
    return [item["urn"] for item in resources if item["urn"].rsplit("::", 1)[-1] in wanted]
