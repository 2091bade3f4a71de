"""`postgres` and `redis`: Postgres and Redis for the coordinators, in a cluster of your own."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import ObjectName, Section
from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.images import ImageReference


class OwnPostgres(Section):
    """A Postgres server with one pod and one volume. It stores API keys, models and assignments."""

    image: ImageReference
    """Image with the programs of Postgres 14 or later on PATH, such as Docker's official `postgres`.
    The files of one major version cannot be read by another."""
    storage_gib: PositiveInt = 10
    """Size of the volume in GiB. It can grow if the storage class allows it; it never shrinks."""
    storage_class: ObjectName | None = None
    """Storage class of the volume. Without it, the cluster's default class."""
    resources: Resources = Resources(cpu_request=0.25, cpu_limit=1, memory_request_gib=0.5, memory_limit_gib=1)
    """Requests and limits of the container. A quarter of the requested memory is Postgres' cache."""
    protected: bool = True
    """Whether to protect the volume from deletion: `novacron down` is refused while it is protected."""


class OwnRedis(Section):
    """A Redis or Valkey server with one pod, in memory only. It has rate limits and cached responses."""

    image: ImageReference
    """Image with `valkey-server` or `redis-server` of version 6 or later on PATH, such as Docker's official ones."""
    resources: Resources = Resources(cpu_request=0.25, cpu_limit=1, memory_request_gib=0.5, memory_limit_gib=1)
    """Requests and limits of the container. Three quarters of the memory limit are for data.
    Above that, the least recently used entries are evicted."""
