"""Finds the pods in Kubernetes resources: workloads, lists and patches of them, and custom resources."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_policy.properties import UNKNOWN, Value, get, list_items

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_WORKLOADS = {
    "Pod", "PodTemplate", "ReplicationController",
    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
    "Job", "CronJob",
    "LeaderWorkerSet", "JobSet", "RayCluster", "RayJob", "RayService",
}  # fmt: skip


def find_pod_specs(resource_type: str, properties: Value) -> Iterator[Value]:
    """Yield the pod specifications in a resource: every mapping that lists containers.

    In kinds that have pods, `UNKNOWN` stands for a part that is not known yet and could hold one.
    """
    if resource_type.startswith("kubernetes:"):
        kind = resource_type.rsplit(":", 1)[-1].removesuffix("Patch").removesuffix("List")
        yield from _find_specs(properties, kind in _WORKLOADS)


def _find_specs(value: Value, is_workload: bool) -> Iterator[Value]:
    if isinstance(value, list):
        for item in value:
            yield from _find_specs(item, is_workload)
    elif isinstance(value, dict):
        if not value.keys().isdisjoint(_CONTAINERS):
            yield value
            return
        for key, part in value.items():
            may_hold_pods = is_workload and (key in ("spec", "items") or key.endswith("emplate"))
            if may_hold_pods and UNKNOWN in list_items(part):
                yield UNKNOWN
            yield from _find_specs(part, is_workload)


def list_containers(spec: Value) -> Iterator[Value]:
    """Yield all containers of a pod specification, including init and ephemeral ones."""
    for kind in _CONTAINERS:
        yield from list_items(get(spec, kind))
