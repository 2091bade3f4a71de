"""`caches`: the three cache levels of each region."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Section


class Caches(Section):
    """The three levels of the response cache in each region. Regions do not share them."""

    memory_gib: PositiveInt = 64
    """Level 1: GiB in the memory of each coordinator."""
    distributed_gib: PositiveInt = 2048
    """Level 2: GiB in the memory of the region's Redis cluster. It is not used yet."""
    persistent_gib: PositiveInt = 20480
    """Level 3: GiB on disks. It is not used yet."""
