"""Priority classes, and warm capacity: pods that keep GPU nodes running until a replica displaces them.

The pods of warm capacity run the workers' image, so their nodes have it before a replica starts there.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.plan.serving import WorkerGroup
from novacron_infra.workloads import pods
from novacron_infra.workloads.names import (
    GPU_NAMESPACE,
    SERVING_PRIORITY,
    WARM_CAPACITY,
    WARM_PRIORITY,
    WORKER_SERVICE_ACCOUNT,
)

_SERVING = 1000
_WARM = -10
"""The lowest priority for which the cluster autoscaler still adds nodes (its FAQ, read on 2026-11-30)."""


def declare_priority_classes(
    name: str, *, warm: bool, opts: pulumi.ResourceOptions
) -> list[k8s.scheduling.v1.PriorityClass]:
    """Declare the priority class of the serving stack and, if it keeps warm capacity, that of its pods.

    Args:
        name: how the names of the Pulumi resources begin.
        warm: whether the stack keeps warm capacity.
        opts: Pulumi's options.
    """
    classes = [
        k8s.scheduling.v1.PriorityClass(
            f"{name}-{SERVING_PRIORITY}",
            metadata=pods.label_object(SERVING_PRIORITY, None, SERVING_PRIORITY),
            value=_SERVING,
            description="Coordinators and workers that serve models",
            opts=opts,
        )
    ]
    if warm:
        classes.append(
            k8s.scheduling.v1.PriorityClass(
                f"{name}-{WARM_PRIORITY}",
                metadata=pods.label_object(WARM_PRIORITY, None, WARM_PRIORITY),
                value=_WARM,
                preemption_policy="Never",
                description="Pods that keep nodes running until any other pod displaces them",
                opts=opts,
            )
        )
    return classes


def declare_warm_capacity(
    resource: str, group: WorkerGroup, image: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.apps.v1.Deployment:
    """Declare pods with the GPUs of `group.warm_replicas` replicas, which do nothing.

    Args:
        resource: name of the Pulumi resource.
        group: the plan of the group whose replicas may displace them.
        image: the workers' image.
        opts: Pulumi's options.
    """
    labels = pods.select_pods(WARM_CAPACITY)
    return k8s.apps.v1.Deployment(
        resource,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=WARM_CAPACITY,
            namespace=GPU_NAMESPACE,
            labels=pods.label_pods(WARM_CAPACITY),
            # The pods may wait for nodes, or be displaced, at any time.
            annotations=pods.WITHOUT_WAITING,
        ),
        spec=k8s.apps.v1.DeploymentSpecArgs(
            replicas=group.warm_replicas * group.pods_per_replica,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels),
            strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=pods.label_pods(WARM_CAPACITY)),
                spec=_describe_pod(group, image),
            ),
        ),
        opts=opts,
    )


def count_warm_pods(groups: Sequence[WorkerGroup]) -> int:
    """Return the pods of warm capacity."""
    return sum(group.warm_replicas * group.pods_per_replica for group in groups)


def _describe_pod(group: WorkerGroup, image: pulumi.Input[str]) -> k8s.core.v1.PodSpecArgs:
    return k8s.core.v1.PodSpecArgs(
        service_account_name=WORKER_SERVICE_ACCOUNT,
        automount_service_account_token=False,
        enable_service_links=False,
        priority_class_name=WARM_PRIORITY,
        termination_grace_period_seconds=0,
        security_context=pods.secure_pod(),
        node_selector=dict(group.nodes.labels) or None,
        tolerations=pods.tolerate_taints(group.nodes),
        containers=[
            k8s.core.v1.ContainerArgs(
                name="warm-capacity",
                image=image,
                image_pull_policy=pods.pull_policy(image),
                command=["sleep", "infinity"],
                resources=pods.request_resources(group.resources, (), {pods.GPU_RESOURCE: str(group.gpus_per_pod)}),
                security_context=pods.secure_container(read_only_root=False),
            )
        ],
    )
