"""Input and result of a decision about readiness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from novacron_rehearsal.kubernetes.objects import Json, Object


@dataclass(frozen=True, slots=True)
class Needs:
    """The objects that a decision needs in addition to the object itself."""

    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels of its pods; empty when it has none."""
    replica_sets: bool = False
    endpoint_slices: bool = False
    storage_class: str = ""
    """Name of the storage class."""


@dataclass(frozen=True, slots=True)
class Related:
    """The objects that belong to an object."""

    pods: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()
    endpoint_slices: Sequence[Object] = ()
    storage_class: Object = field(default_factory=dict[str, Json])
    waited_s: float = 0.0
    """Time since the object was applied."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an object is ready."""

    ready: bool
    progress: str = ""
    """The state that it waits for, in one line."""
    reasons: Sequence[str] = ()
    """Why it is not ready; for pods, what keeps them from running."""
    failed: bool = False
    """Whether it cannot become ready any more without a change."""


READY = Verdict(ready=True)
