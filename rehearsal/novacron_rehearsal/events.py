"""Events of a run, for displays, tests and the `novacron` command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from novacron_rehearsal.values import PropertyMap, Value


class Operation(str, Enum):
    """The operation of a run."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"

    @property
    def runs_program(self) -> bool:
        """Whether the operation runs the program, and so calls policy packs."""
        return self in (Operation.PREVIEW, Operation.UP)


class StepOp(str, Enum):
    """The kind of a step. The words are those of the Pulumi CLI."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    READ_REPLACEMENT = "read-replacement"
    DISCARD = "discard"
    DISCARD_REPLACED = "discard-replaced"
    REFRESH = "refresh"
    IMPORT = "import"
    IMPORT_REPLACEMENT = "import-replacement"


class DiffKind(str, Enum):
    """How one property differs. The `-replace` kinds force a replacement."""

    ADD = "add"
    ADD_REPLACE = "add-replace"
    DELETE = "delete"
    DELETE_REPLACE = "delete-replace"
    UPDATE = "update"
    UPDATE_REPLACE = "update-replace"


@dataclass(frozen=True, slots=True)
class PropertyDiff:
    """One entry of a detailed diff."""

    kind: DiffKind
    input_diff: bool = False


class Severity(str, Enum):
    """The severity of a diagnostic."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OperationStarted:
    """The first event of a run."""

    operation: Operation
    project: str
    stack: str
    parallel: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step has started. `old` and `new` are its inputs, for property diffs; redact them before display."""

    urn: str
    op: StepOp
    parent: str = ""
    old: PropertyMap | None = None
    new: PropertyMap | None = None
    detailed_diff: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended. `error` is empty when it succeeded."""

    urn: str
    op: StepOp
    error: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A message of the program, a provider or the engine. An `ephemeral` one only shows progress."""

    severity: Severity
    message: str
    urn: str = ""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class PolicyViolated:
    """A policy violation. A `mandatory` one fails the run before anything is created."""

    pack: str
    policy: str
    message: str
    urn: str
    mandatory: bool
    severity: str = ""


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """The stack's outputs, with secrets still marked."""

    outputs: dict[str, Value]


@dataclass(frozen=True, slots=True)
class OperationEnded:
    """The last event of a run."""

    operation: Operation
    changes: dict[StepOp, int]
    duration_s: float
    succeeded: bool
    cancelled: bool = False
    """Whether the user interrupted the run."""


Event: TypeAlias = (
    OperationStarted | StepStarted | StepEnded | Diagnostic | PolicyViolated | StackOutputs | OperationEnded
)
EventSink: TypeAlias = Callable[[Event], None]
