"""One run: what it is to do, the steps that it took, and where it records them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Operation, PropertyDiff, StepOp
from novacron_rehearsal.state.resource import PendingOperation, ResourceState


@dataclass(slots=True)
class Run:
    """What one run is to do."""

    operation: Operation
    project: str
    stack: str
    dry_run: bool
    parallel: int = 16
    targets: frozenset[str] = frozenset()
    target_dependents: bool = False
    replace: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    continue_on_error: bool = False


@dataclass(slots=True)
class StepRecord:
    """A step that was taken, for results and tests."""

    op: StepOp
    urn: str
    detailed_diff: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])


class StepFailedError(RehearsalError):
    """A step failed and was reported; the program need not be told more."""


class StepSkippedError(StepFailedError):
    """A step was left out because something that it needs was not done."""


class StateSink(Protocol):
    """Where steps are recorded as they happen. A resource's identity is its URN, id and `delete` flag."""

    def begin(self, operation: PendingOperation) -> int:
        """Record that an operation is under way; returns a token for its end."""
        ...

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Record its end and what it changed."""
        ...

    def abandon(self, token: int) -> None:
        """Record that it ended without a change."""
        ...


class Unrecorded:
    """The sink of previews."""

    def begin(self, operation: PendingOperation) -> int:
        """Nothing is under way in a preview."""
        del operation
        return 0

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Nothing changes in a preview."""

    def abandon(self, token: int) -> None:
        """Nothing is under way in a preview."""
