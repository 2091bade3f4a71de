"""`caches`: the three cache levels of each region."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Section


class Caches(Section):
    """The three cache levels of each region; caches stay local."""

    memory_gib: PositiveInt = 64
    """L1, in the memory of each coordinator."""
    distributed_gib: PositiveInt = 2048
    """L2, in the memory of the Redis cluster."""
    persistent_gib: PositiveInt = 20480
    """L3, on disks."""
