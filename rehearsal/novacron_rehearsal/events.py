"""What a run tells while it works. Displays, tests and the `novacron` command all read these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from novacron_rehearsal.values import PropertyMap, Value


class Operation(str, Enum):
    """What a run does."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"


class StepOp(str, Enum):
    """What happens to one resource, in the words of Pulumi's CLI."""

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
    """How one property differs; the `-replace` kinds force a replacement."""

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
    """Of a diagnostic."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OperationStarted:
    """First event of a run."""

    operation: Operation
    project: str
    stack: str
    parallel: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step has begun. `old` and `new` are its inputs, for property diffs; never shown without redaction."""

    urn: str
    op: StepOp
    parent: str = ""
    old: PropertyMap | None = None
    new: PropertyMap | None = None
    detailed_diff: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended; `error` is empty when it went well."""

    urn: str
    op: StepOp
    error: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A message of the program, of a provider or of the engine. `ephemeral` ones are progress, not record."""

    severity: Severity
    message: str
    urn: str = ""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class PolicyViolated:
    """A policy was violated; `mandatory` ones fail the run before anything is created."""

    pack: str
    policy: str
    message: str
    urn: str
    mandatory: bool
    severity: str = ""


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """The stack's outputs; secrets still wrapped."""

    outputs: dict[str, Value]


@dataclass(frozen=True, slots=True)
class OperationEnded:
    """Last event of a run."""

    operation: Operation
    changes: dict[StepOp, int]
    duration_s: float
    succeeded: bool


Event: TypeAlias = (
    OperationStarted | StepStarted | StepEnded | Diagnostic | PolicyViolated | StackOutputs | OperationEnded
)
EventSink: TypeAlias = Callable[[Event], None]
