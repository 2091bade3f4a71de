"""Whether each policy pack of a run has checked the stack. A pack that did not run has not passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PolicyPackSpec:
    """A pack's folder and, if any, the JSON file with its configuration."""

    path: Path
    config_path: Path | None = None


class PolicyPackState(str, Enum):
    """Whether a policy pack has checked the stack in a run."""

    CHECKED = "checked"
    """It has checked every resource, and the stack as a whole."""
    UNFINISHED = "unfinished"
    """The run ended before the pack had checked everything."""
    FAILED = "failed"
    """It could not be loaded, or failed when a resource was checked."""


@dataclass(frozen=True, slots=True)
class PolicyPackReport:
    """One policy pack of a run."""

    path: Path
    state: PolicyPackState
    reason: str = ""
    """Why the pack has not checked everything; empty when it has."""


class PolicyReports:
    """The packs of a run, each with its state."""

    def __init__(self, specs: Sequence[PolicyPackSpec]) -> None:
        self._reports: dict[Path, PolicyPackReport] = {}
        self.begin(specs)

    def begin(self, specs: Sequence[PolicyPackSpec]) -> None:
        """Begin a run: no pack has checked anything."""
        reason = "the run ended before the pack had checked every resource and the stack as a whole"
        self._reports = {spec.path: PolicyPackReport(spec.path, PolicyPackState.UNFINISHED, reason) for spec in specs}

    def checked(self, path: Path) -> None:
        """Record that a pack has checked everything."""
        self._reports[path] = PolicyPackReport(path, PolicyPackState.CHECKED)

    def failed(self, path: Path, reason: str) -> None:
        """Record why a pack could not be loaded, or failed during a check."""
        self._reports[path] = PolicyPackReport(path, PolicyPackState.FAILED, reason)

    def all(self) -> tuple[PolicyPackReport, ...]:
        """Return every pack of the run."""
        return tuple(self._reports.values())
