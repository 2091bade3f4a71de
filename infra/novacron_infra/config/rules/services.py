"""Rules for Postgres, Redis and container images."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import KEY, problem
from novacron_infra.config.rules.parts import Parts, list_clouds
from novacron_infra.errors import Problem
from novacron_infra.limits.databases import check_postgres_storage, check_redis_nodes

_SMALLEST_REDIS_CLUSTER = 6


def check_databases(parts: Parts) -> Iterator[Problem]:
    """Check the sizes of Postgres and Redis against those that each cloud has."""
    data = parts.get("data")
    if data is None:
        return
    if data.redis_nodes != 1 and (data.redis_nodes < _SMALLEST_REDIS_CLUSTER or data.redis_nodes % 2):
        rule = "a Redis cluster has at least three primaries, each with one replica"
        near = max(_SMALLEST_REDIS_CLUSTER, data.redis_nodes + 1)
        yield problem("data.redis_nodes", data.redis_nodes, rule, f"Use 1, or an even number such as {near}")
    for cloud in list_clouds(parts):
        yield from check_postgres_storage(f"{KEY}.data.postgres_storage_gib", data.postgres_storage_gib, cloud)
        yield from check_redis_nodes(f"{KEY}.data.redis_nodes", data.redis_nodes, cloud)


def check_images(parts: Parts) -> Iterator[Problem]:
    """Report images whose tag is latest and that have no digest."""
    images = parts.get("images")
    if images is None:
        return
    named = {
        "coordinator": images.coordinator,
        "worker": images.worker,
        "nvidia_device_plugin": images.nvidia_device_plugin,
        "efa_device_plugin": images.efa_device_plugin,
    }
    for name, image in named.items():
        if image.tag == "latest" and image.digest is None:
            rule = "this tag names another image every day"
            yield problem(f"images.{name}.tag", image.tag, rule, "Use a version such as 0.1.0, or add the digest")
