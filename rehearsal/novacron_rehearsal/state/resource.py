"""Records of resources in the state: those of Pulumi's deployment, version 3.

Field for field `apitype.ResourceV3` and `apitype.DeploymentV3` (pulumi 3.272), in Python's spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from novacron_rehearsal.values import PropertyMap, Value


@dataclass(slots=True)
class CustomTimeouts:
    """Timeouts in seconds; 0 is the provider's default."""

    create_s: float = 0
    update_s: float = 0
    delete_s: float = 0


@dataclass(slots=True)
class ResourceState:
    """One resource of a stack. Do not change one that is in a snapshot: use `dataclasses.replace`."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: PropertyMap = field(default_factory=dict[str, Value])
    outputs: PropertyMap = field(default_factory=dict[str, Value])
    parent: str = ""
    provider: str = ""
    """`urn::id` of the provider resource; empty for components."""
    dependencies: list[str] = field(default_factory=list[str])
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    delete: bool = False
    """It was replaced, and is still to be deleted."""
    pending_replacement: bool = False
    """It was deleted to be replaced, and its replacement is still to be created."""
    protect: bool = False
    taint: bool = False
    external: bool = False
    """The program reads it and does not manage it."""
    init_errors: list[str] = field(default_factory=list[str])
    additional_secret_outputs: list[str] = field(default_factory=list[str])
    aliases: list[str] = field(default_factory=list[str])
    custom_timeouts: CustomTimeouts | None = None
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list[str])
    created: datetime | None = None
    modified: datetime | None = None
    source_position: str = ""
    stack_trace: list[str] = field(default_factory=list[str])
    ignore_changes: list[str] = field(default_factory=list[str])
    hide_diff: list[str] = field(default_factory=list[str])
    replace_on_changes: list[str] = field(default_factory=list[str])
    replacement_trigger: Value = None
    refresh_before_update: bool = False
    view_of: str = ""
    resource_hooks: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def needs(self) -> list[str]:
        """Return the URNs of the resources that it needs: it comes after them, and is deleted before them."""
        property_needs = (where for urns in self.property_dependencies.values() for where in urns)
        provider = self.provider.rpartition("::")[0]
        found = dict.fromkeys(
            [*self.dependencies, *property_needs, *self.replace_with, self.parent, self.deleted_with, provider]
        )
        found.pop("", None)
        return list(found)


class OperationKind(str, Enum):
    """An operation that a run can be interrupted in (`apitype.OperationType`)."""

    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"
    READING = "reading"
    IMPORTING = "importing"


@dataclass(slots=True)
class PendingOperation:
    """An operation that has begun and whose end is not recorded."""

    kind: OperationKind
    resource: ResourceState


@dataclass(slots=True)
class Snapshot:
    """The whole state of a stack. In `resources`, every resource comes after those that it needs."""

    resources: list[ResourceState] = field(default_factory=list[ResourceState])
    pending_operations: list[PendingOperation] = field(default_factory=list[PendingOperation])
    secrets_providers: dict[str, Any] | None = None
    """`{"type": "passphrase", "state": {"salt": …}}`, as in the state file."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


def now() -> datetime:
    """Return the current time as states record it."""
    return datetime.now(timezone.utc)
