"""Quotas and limit ranges: an upper bound of each namespace, and resources for containers that state none."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config import CoordinatorPods, WorkerPods
from novacron_infra.workloads.names import GPU_NAMESPACE, NAMESPACE, PART_OF, POSTGRES, REDIS
from novacron_infra.workloads.pods import GPU_RESOURCE, label_object
from novacron_infra.workloads.priorities import count_warm_pods
from novacron_infra.workloads.serving_args import GpuWorkers

_DEFAULT_REQUESTS = {"cpu": "100m", "memory": "128Mi"}
_DEFAULT_LIMITS = {"cpu": "1", "memory": "512Mi"}
"""No disk: a default would limit the pods whose folders have limits of their own."""


def count_pods(coordinators: CoordinatorPods, workers: WorkerPods | GpuWorkers) -> dict[str, tuple[int, int]]:
    """Return the most pods and GPUs of each namespace, for its quota.

    Coordinators count twice: in an update, old pods that drain still count. Postgres and Redis count also where
    there are none: an update that removes them first replaces the coordinators. Warm pods count twice as well: one that
    a replica displaces still counts when its successor is created, and the quota is checked before that replica's pod.
    """
    coordinator_pods = 2 * coordinators.count + len((POSTGRES, REDIS))
    if isinstance(workers, GpuWorkers):
        groups = workers.groups
        counts = [(group.maximum_replicas * group.pods_per_replica, group) for group in groups]
        warm_gpus = sum(count_warm_pods([group]) * group.gpus_per_pod for group in groups)
        # All groups share the GPUs of the region.
        gpus = max(pods * group.gpus_per_pod for pods, group in counts) + 2 * warm_gpus
        gpu_pods = sum(pods for pods, _ in counts) + 2 * count_warm_pods(groups)
        return {NAMESPACE: (coordinator_pods, 0), GPU_NAMESPACE: (gpu_pods, gpus)}
    if workers.gpus:
        return {NAMESPACE: (coordinator_pods, 0), GPU_NAMESPACE: (workers.count, workers.count * workers.gpus)}
    return {NAMESPACE: (coordinator_pods + workers.count, 0)}


def declare_quota(
    resource: str, namespace: str, *, pods: int, gpus: int, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Declare the quota and the limit range of a namespace.

    Args:
        resource: how the names of the Pulumi resources begin.
        namespace: the namespace.
        pods: the most pods that it may have.
        gpus: the most GPUs that they may have.
        opts: Pulumi's options.
    """
    hard: Mapping[str, str] = {"pods": str(pods), f"requests.{GPU_RESOURCE}": str(gpus)}
    return [
        k8s.core.v1.ResourceQuota(
            f"{resource}-quota",
            metadata=label_object(PART_OF, namespace, PART_OF),
            spec=k8s.core.v1.ResourceQuotaSpecArgs(hard=hard),
            opts=opts,
        ),
        k8s.core.v1.LimitRange(
            f"{resource}-limits",
            metadata=label_object(PART_OF, namespace, PART_OF),
            spec=k8s.core.v1.LimitRangeSpecArgs(
                limits=[
                    k8s.core.v1.LimitRangeItemArgs(
                        type="Container", default=_DEFAULT_LIMITS, default_request=_DEFAULT_REQUESTS
                    )
                ]
            ),
            opts=opts,
        ),
    ]
