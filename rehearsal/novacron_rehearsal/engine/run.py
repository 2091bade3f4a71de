"""Values of one run: its options, its steps, and where it records them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from novacron_rehearsal import urn
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Operation, PropertyDiff, StepOp
from novacron_rehearsal.state.resource import PendingOperation, ResourceState


@dataclass(slots=True)
class Run:
    """The options of one run."""

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

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Return the URN of a resource of this run's stack. Raises `ValueError` when the parent is not a URN."""
        return urn.make(self.stack, self.project, parent, type_, name)


@dataclass(slots=True)
class StepRecord:
    """A completed step."""

    op: StepOp
    urn: str
    detailed_diff: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])


class StepFailedError(RehearsalError):
    """A step failed, and the error has been reported."""


class StepSkippedError(StepFailedError):
    """A step was skipped because a resource that it needs failed."""


class StateSink(Protocol):
    """Records steps as they happen. URN, id and the `delete` flag identify a resource."""

    def begin(self, operation: PendingOperation) -> int:
        """Record that an operation has begun. Returns a token for its end."""
        ...

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Record the end of an operation, and what it changed."""
        ...

    def abandon(self, token: int) -> None:
        """Record that an operation ended and changed nothing."""
        ...


class Unrecorded:
    """The sink of previews: records nothing."""

    def begin(self, operation: PendingOperation) -> int:
        """Do nothing."""
        del operation
        return 0

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Do nothing."""

    def abandon(self, token: int) -> None:
        """Do nothing."""
