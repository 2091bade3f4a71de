"""The workers in a cluster: a StatefulSet, its headless Service and its disruption budget.

A worker that gets SIGTERM reports at once to every coordinator that it drains, so its pod needs no `preStop`.
"""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import ServedModel, WorkerPods
from novacron_infra.pools import GPU_TAINT
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.names import (
    GPU_NAMESPACE,
    NAMESPACE,
    REGISTRATION_SERVICE,
    WORKER_SERVICE_ACCOUNT,
    WORKERS,
)
from novacron_infra.workloads.serving_config import ModelFile, WorkerFile, build_pytorch_worker_file

CONFIG_FILE = "worker.json"
_START_PERIOD_S = 5
_UPDATE_MARGIN_S = 300
"""Time to schedule a pod and to pull its image."""


def find_namespace(settings: WorkerPods) -> str:
    """Return the namespace of the workers."""
    return GPU_NAMESPACE if settings.gpus else NAMESPACE


def find_grace_s(drain_s: int) -> int:
    """Return the time between the deletion of a worker's pod and SIGKILL, which has to outlast its drain."""
    return drain_s + pods.EXIT_S


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
        coordinator=f"{REGISTRATION_SERVICE}.{NAMESPACE}.svc:{contract.GRPC_PORT}",
        model_cache=Path(contract.HOME) / "models",
        drain_s=settings.drain_s,
    )


def declare_headless_service(resource: str, namespace: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Service:
    """Declare the Service that gives each worker a DNS name, and monitoring the list of workers."""
    port = k8s.core.v1.ServicePortArgs(name="http", port=contract.WORKER_PORT, target_port="http")
    return pods.declare_headless_service(resource, WORKERS, namespace, WORKERS, port, opts)


def declare_stateful_set(
    resource: str, settings: WorkerPods, source: pods.PodSource, opts: pulumi.ResourceOptions
) -> k8s.apps.v1.StatefulSet:
    """Declare the workers' StatefulSet. All pods start at the same time; an update replaces one after the other.

    Args:
        resource: name of the Pulumi resource.
        settings: the environment's settings of the workers.
        source: image, configuration and secrets.
        opts: Pulumi's options.
    """
    replacing_s = find_grace_s(settings.drain_s) + settings.start_timeout_s + pods.MIN_READY_S
    timeouts = pulumi.CustomTimeouts(
        create=f"{settings.start_timeout_s + _UPDATE_MARGIN_S}s",
        update=f"{settings.count * replacing_s + _UPDATE_MARGIN_S}s",
    )
    return k8s.apps.v1.StatefulSet(
        resource,
        metadata=pods.label_object(WORKERS, find_namespace(settings), WORKERS),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=settings.count,
            service_name=WORKERS,
            min_ready_seconds=pods.MIN_READY_S,
            pod_management_policy="Parallel",
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=pods.select_pods(WORKERS)),
            update_strategy=k8s.apps.v1.StatefulSetUpdateStrategyArgs(type="RollingUpdate"),
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=pods.label_pods(WORKERS)),
                spec=_describe_pod(settings, source),
            ),
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(custom_timeouts=timeouts)),
    )


def _describe_pod(settings: WorkerPods, source: pods.PodSource) -> k8s.core.v1.PodSpecArgs:
    folders = (
        pods.WritableFolder(name="home", path=contract.HOME, size_mib=pods.mebibytes(settings.storage_gib)),
        pods.TEMPORARY,
        pods.WritableFolder(
            name="shared-memory",
            path="/dev/shm",  # noqa: S108 - a volume of the pod
            size_mib=pods.mebibytes(settings.shared_memory_gib),
            in_memory=True,
        ),
    )
    config_volume, config_mount = pods.mount_config(source.config)
    on_gpus = settings.gpus > 0
    tolerations = [k8s.core.v1.TolerationArgs(key=GPU_TAINT, operator="Exists", effect="NoSchedule")]
    return k8s.core.v1.PodSpecArgs(
        service_account_name=WORKER_SERVICE_ACCOUNT,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=find_grace_s(settings.drain_s),
        security_context=pods.secure_pod(),
        topology_spread_constraints=pods.spread_pods(WORKERS, revision_label="controller-revision-hash"),
        tolerations=tolerations if on_gpus else None,
        containers=[
            k8s.core.v1.ContainerArgs(
                name="worker",
                image=source.image,
                image_pull_policy=pods.pull_policy(source.image),
                args=["--config", f"{contract.CONFIG_FOLDER}/{CONFIG_FILE}"],
                env=pods.environment(
                    {contract.WORKER_ID: "metadata.name", contract.HOST: "status.podIP"},
                    source.secret,
                    source.secret_keys,
                ),
                ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=contract.WORKER_PORT)],
                # A worker answers `/health` while it loads. Its start is over when it is ready for the first time.
                startup_probe=pods.probe(
                    contract.READY_PATH,
                    "http",
                    period_s=_START_PERIOD_S,
                    failures=-(-settings.start_timeout_s // _START_PERIOD_S),
                ),
                liveness_probe=pods.probe(contract.HEALTH_PATH, "http", period_s=10, failures=3),
                readiness_probe=pods.probe(contract.READY_PATH, "http", period_s=5, failures=3),
                resources=pods.request_resources(settings.resources, folders, settings.gpus),
                security_context=pods.secure_container(read_only_root=not on_gpus),
                volume_mounts=[config_mount, *(folder.mount() for folder in folders)],
            )
        ],
        volumes=[config_volume, *(folder.volume() for folder in folders)],
    )
