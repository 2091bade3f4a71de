"""`storage`: the storage nodes."""

from __future__ import annotations

from novacron_infra.config.sections.base import Instances, Name, Section
from novacron_infra.config.sections.hardware import Hardware


class StorageNodes(Section):
    """The storage nodes of the whole environment. Regions share them in proportion to their workers."""

    count: Instances
    """Number of storage nodes in all regions."""
    machine: Name
    """Machine type of the storage nodes, a name from the catalogue."""
    hardware: Hardware
    """Hardware that one storage node needs. The plan reports where the machine has less."""
