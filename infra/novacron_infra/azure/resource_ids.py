"""Ids of resources in Azure Resource Manager."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResourceId:
    """The parts of `/subscriptions/…/resourceGroups/GROUP/providers/TYPE/PARENT[/…/NAME]`."""

    group: str
    parent: str
    """The resource directly in the group: the vault of a key or a secret, else the resource itself."""
    name: str

    @classmethod
    def parse(cls, id_: str) -> ResourceId:
        """Split an id that the configuration has checked."""
        parts = id_.split("/")
        return cls(group=parts[4], parent=parts[8], name=parts[-1])
