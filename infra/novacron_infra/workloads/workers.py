"""The workers with the PyTorch engine in a cluster: their configuration file and their StatefulSet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import ServedModel, WorkerPods
from novacron_infra.plan.serving import NodePlacement
from novacron_infra.pools import GPU_TAINT
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.names import GPU_NAMESPACE, NAMESPACE, REGISTRATION_SERVICE, WORKERS
from novacron_infra.workloads.serving_config import ModelFile, WorkerFile, build_pytorch_worker_file
from novacron_infra.workloads.worker_pods import (
    MODEL_CACHE,
    WorkerPod,
    describe_template,
    find_grace_s,
    list_folders,
)

_MARGIN_S = 300
"""Time to schedule a pod and to pull its image: an assumption."""
_REVISION_LABEL = "controller-revision-hash"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSet:
    """A StatefulSet of workers."""

    name: str
    namespace: str
    replicas: int
    pod: WorkerPod
    claims: Sequence[k8s.core.v1.PersistentVolumeClaimArgs] = ()
    """Claims of each pod, which are deleted with it."""
    queue: str | None = None
    """LocalQueue of Kueue that admits the pods."""


def find_namespace(settings: WorkerPods) -> str:
    """Return the namespace of the workers."""
    return GPU_NAMESPACE if settings.gpus else NAMESPACE


def build_file(settings: WorkerPods, model: ServedModel) -> WorkerFile:
    """Return the configuration file of all workers. Each pod has its name and address in variables."""
    place: ModelFile = {"id": model.id}
    if model.path is not None:
        place["path"] = model.path
    if model.url is not None:
        place["url"] = model.url
    return build_pytorch_worker_file(
        settings,
        place,
        quantization=settings.quantization,
        port=contract.WORKER_PORT,
        coordinator=find_coordinator(contract.GRPC_PORT),
        model_cache=Path(MODEL_CACHE),
        drain_s=settings.drain_s,
    )


def find_coordinator(grpc_port: int) -> str:
    """Return `host:port` of the coordinators' gRPC."""
    return f"{REGISTRATION_SERVICE}.{NAMESPACE}.svc:{grpc_port}"


def describe_worker_set(settings: WorkerPods, identity_labels: Mapping[str, str]) -> WorkerSet:
    """Return the StatefulSet of workers with the PyTorch engine.

    Args:
        settings: the environment's settings of the workers.
        identity_labels: labels of pods by which a cloud knows that they have an identity.
    """
    labels = pods.select_pods(WORKERS)
    return WorkerSet(
        name=WORKERS,
        namespace=find_namespace(settings),
        replicas=settings.count,
        pod=WorkerPod(
            labels=labels,
            more_labels=identity_labels,
            resources=settings.resources,
            gpus=settings.gpus,
            folders=list_folders(settings.storage_gib, settings.shared_memory_gib),
            start_timeout_s=settings.start_timeout_s,
            drain_s=settings.drain_s,
            port=contract.WORKER_PORT,
            nodes=NodePlacement(tolerated_taints=(GPU_TAINT,) if settings.gpus else ()),
            spread=spread_workers(labels),
        ),
    )


def spread_workers(labels: Mapping[str, str]) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Return the rules that spread the workers of a StatefulSet over zones and hosts."""
    return pods.spread_pods(labels, revision_label=_REVISION_LABEL)


def declare_headless_service(
    resource: str, namespace: str, port: int, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Service:
    """Declare the Service that gives each worker a DNS name, and monitoring the list of workers."""
    http = k8s.core.v1.ServicePortArgs(name="http", port=port, target_port="http")
    return pods.declare_headless_service(resource, WORKERS, namespace, WORKERS, http, opts)


def declare_stateful_set(
    resource: str, workers: WorkerSet, source: pods.PodSource, opts: pulumi.ResourceOptions
) -> k8s.apps.v1.StatefulSet:
    """Declare a StatefulSet of workers. All pods start at the same time; an update replaces one after the other.

    Args:
        resource: name of the Pulumi resource.
        workers: the StatefulSet.
        source: image, configuration and secrets.
        opts: Pulumi's options.
    """
    pod = workers.pod
    retention = k8s.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicyArgs(
        when_deleted="Delete", when_scaled="Delete"
    )
    return k8s.apps.v1.StatefulSet(
        resource,
        metadata=pods.label_object(workers.name, workers.namespace, WORKERS, workers.queue),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=workers.replicas,
            service_name=WORKERS,
            min_ready_seconds=pods.MIN_READY_S,
            pod_management_policy="Parallel",
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=dict(pod.labels)),
            update_strategy=k8s.apps.v1.StatefulSetUpdateStrategyArgs(type="RollingUpdate"),
            template=describe_template(pod, source),
            volume_claim_templates=list(workers.claims) or None,
            persistent_volume_claim_retention_policy=retention if workers.claims else None,
        ),
        opts=limit_rollout(pod, workers.replicas, pods.start_after_content(source, opts)),
    )


def limit_rollout(pod: WorkerPod, replicas: int, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """Return options with the time that replicas need to start together, and to be replaced one after the other.

    Args:
        pod: the pod that serves requests.
        replicas: number of replicas.
        opts: Pulumi's other options.
    """
    replacing_s = find_grace_s(pod.drain_s) + pod.start_timeout_s + pods.MIN_READY_S
    timeouts = pulumi.CustomTimeouts(
        create=f"{pod.start_timeout_s + _MARGIN_S}s", update=f"{max(1, replicas) * replacing_s + _MARGIN_S}s"
    )
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=timeouts))
