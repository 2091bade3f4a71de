"""Where pods stand in Kubernetes resources: workloads, lists and patches of them, custom resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from novacron_policy.properties import UNKNOWN, get, items

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_WORKLOADS = {
    "Pod", "PodTemplate", "ReplicationController",
    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
    "Job", "CronJob",
    "LeaderWorkerSet", "JobSet", "RayCluster", "RayJob", "RayService",
}  # fmt: skip


def pod_specs(resource_type: str, properties: Any) -> Iterator[Any]:
    """The pod specifications in a resource, wherever they stand: what lists containers is one.

    `UNKNOWN` stands for what cannot be seen yet, in kinds that are known to hold pods.
    """
    if resource_type.startswith("kubernetes:"):
        kind = resource_type.rsplit(":", 1)[-1].removesuffix("Patch").removesuffix("List")
        yield from _pod_specs(properties, kind in _WORKLOADS)


def _pod_specs(value: Any, workload: bool) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _pod_specs(item, workload)
    elif isinstance(value, dict):
        if not value.keys().isdisjoint(_CONTAINERS):
            yield value
            return
        for key, part in value.items():
            if workload and (key in ("spec", "items") or key.endswith("emplate")) and UNKNOWN in items(part):
                yield UNKNOWN
            yield from _pod_specs(part, workload)


def containers(spec: Any) -> Iterator[Any]:
    """All containers of a pod specification, init and ephemeral ones too."""
    for kind in _CONTAINERS:
        yield from items(get(spec, kind))
