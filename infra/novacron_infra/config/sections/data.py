"""`data`: Postgres and Redis of each region."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.config.sections.base import Section


class Data(Section):
    """Postgres and the Redis-compatible service of each region. Their passwords are secrets of the stack."""

    postgres_storage_gib: PositiveInt = 1024
    """Disk size of Postgres in GiB."""
    redis_nodes: Annotated[int, Field(ge=1, le=500)] = 6
    """Number of Redis nodes: 1, or an even number from 6 for a cluster.
    A cluster has at least three primaries with one replica each."""
