"""Sizes of Postgres and Redis that each cloud offers."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem

_SERVICES = {Cloud.AWS: "RDS", Cloud.GCP: "Cloud SQL", Cloud.AZURE: "Azure"}
_STORAGE_GIB = {Cloud.AWS: (20, 65_536), Cloud.GCP: (10, 65_536)}
"""Smallest and largest disk of Postgres: gp3 on RDS, SSD on Cloud SQL."""
AZURE_STORAGE_GIB = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_767)
"""Premium SSD, which only grows. Azure writes its 32 TiB as 32767."""
AZURE_REDIS_GB = (10, 20, 50, 100, 150, 250, 350, 500, 700, 1000, 1500, 2000)
"""Memory-optimized sizes, whose names say about how many GB they hold; Azure spreads them over its own nodes."""
_REDIS_PRIMARY_GB = 50
"""Memory of a primary, as on AWS."""
_MOST_REDIS_NODES = {Cloud.AWS: 500, Cloud.GCP: 500, Cloud.AZURE: 2 * AZURE_REDIS_GB[-1] // _REDIS_PRIMARY_GB}

OLDEST_POSTGRES = 15
"""Oldest version that PostgreSQL supports (postgresql.org, "Versioning policy", read on 2026-11-30)."""
OLDEST_REDIS = 6
"""Oldest version of Redis with TLS and access control lists. Valkey began with 7.2."""


def is_supported(version: str, oldest: int) -> bool:
    """Return whether a version such as 17.2, 17 or 7.x is at least the oldest major version."""
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= oldest


def check_postgres_storage(path: str, storage_gib: int, cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem if the cloud has no disk of this size for Postgres."""
    if cloud is Cloud.AZURE:
        if storage_gib not in AZURE_STORAGE_GIB:
            rule = f"Azure has disks of {', '.join(map(str, AZURE_STORAGE_GIB))} GiB for Postgres"
            larger = next((size for size in AZURE_STORAGE_GIB if size > storage_gib), AZURE_STORAGE_GIB[-1])
            yield Problem(path, str(storage_gib), rule, f"Use {larger}")
        return
    low, high = _STORAGE_GIB[cloud]
    if not low <= storage_gib <= high:
        rule = f"{_SERVICES[cloud]} has disks of {low} to {high} GiB for Postgres"
        yield Problem(path, str(storage_gib), rule, f"Use {low if storage_gib < low else high}")


def check_redis_nodes(path: str, nodes: int, cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem if the cloud has no Redis with this many nodes, of which half are primaries."""
    most = _MOST_REDIS_NODES[cloud]
    if nodes > most:
        service = {Cloud.AWS: "ElastiCache", Cloud.GCP: "Memorystore", Cloud.AZURE: "Azure Managed Redis"}[cloud]
        yield Problem(path, str(nodes), f"{service} has at most {most} such nodes", f"Use {most} or fewer")


def find_azure_redis_gb(primaries: int) -> int | None:
    """Return the smallest size of Azure Managed Redis with 50 GB for each primary, or None."""
    return next((size for size in AZURE_REDIS_GB if size >= primaries * _REDIS_PRIMARY_GB), None)
