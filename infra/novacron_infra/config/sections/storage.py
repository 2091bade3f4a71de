"""`storage`: the storage nodes."""

from __future__ import annotations

from novacron_infra.config.sections.base import Instances, Name, Section
from novacron_infra.config.sections.hardware import Hardware


class StorageNodes(Section):
    """Storage nodes of the whole environment; its regions share them as they share the workers."""

    count: Instances
    """Storage nodes of all regions."""
    machine: Name
    """A machine of the catalogue."""
    hardware: Hardware
