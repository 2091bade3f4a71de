"""`data`: Postgres and Redis of each region."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.config.sections.base import Section


class Data(Section):
    """Postgres and the Redis-compatible service of each region; their passwords are secrets."""

    postgres_storage_gib: PositiveInt = 1024
    """Disk of Postgres."""
    redis_nodes: Annotated[int, Field(gt=0, le=500)] = 6
    """1: no cluster. Else at least three primaries, each with one replica: an even number from 6."""
