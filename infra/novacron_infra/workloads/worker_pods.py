"""The pod of a worker: what is the same for every engine, on CPUs and on GPUs, alone or in a group.

A worker that gets SIGTERM reports at once to every coordinator that it drains, so its pod needs no `preStop`. In a
group, all pods wait for the worker's drain, so they have the same grace period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi_kubernetes as k8s

from novacron_infra.config.sections.hardware import Resources
from novacron_infra.plan.serving import NodePlacement
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.fabrics import FabricDaemon, FabricPod
from novacron_infra.workloads.names import PART_OF, SERVING_PRIORITY, WORKER_SERVICE_ACCOUNT
from novacron_infra.workloads.probes import http_probe, tcp_probe

CONFIG_FILE = "worker.json"
MODEL_CACHE = f"{contract.HOME}/models"
"""Folder of downloaded models."""
MODEL_VOLUME = "models"
"""Volume of that folder, if it is not in the home folder's."""
STORE_FOLDER = "/mnt/models"
"""Mount point of a model store that is a file system."""
_STORE_VOLUME = "model-store"
_START_PERIOD_S = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPod:
    """The settings of a worker's pod."""

    labels: Mapping[str, str]
    """Labels that select these pods. They never change: selectors are immutable."""
    more_labels: Mapping[str, str] = field(default_factory=dict)
    """Other labels. A change replaces every pod."""
    resources: Resources
    gpus: int
    folders: tuple[pods.WritableFolder, ...]
    """Writable folders, empty when the pod starts."""
    start_timeout_s: int
    """Seconds from the start until the worker is ready. After that it is restarted."""
    drain_s: int
    port: int
    nodes: NodePlacement
    spread: Sequence[k8s.core.v1.TopologySpreadConstraintArgs]
    command: tuple[str, ...] | None = None
    """The container's command; None: the image's."""
    serves: bool = True
    """Whether the container serves requests. The other pods of a group only compute."""
    launch_port: int | None = None
    """Port where the pods of a replica start each other's ranks. None: a replica is one pod."""
    has_model_volume: bool = False
    """Whether the workload claims a volume for downloaded models."""
    store_claim: str | None = None
    """Claim of a model store that is a file system."""
    fabric: FabricPod = field(default_factory=FabricPod)


def find_grace_s(drain_s: int) -> int:
    """Return the time between the deletion of a worker's pod and SIGKILL, which has to outlast its drain."""
    return drain_s + pods.EXIT_S


def list_folders(
    storage_gib: float, shared_memory_gib: float, model_cache_gib: float | None = None
) -> tuple[pods.WritableFolder, ...]:
    """Return the writable folders of a worker.

    Args:
        storage_gib: size of the home folder on the node's disk.
        shared_memory_gib: size of /dev/shm.
        model_cache_gib: size of the folder of downloaded models on the node's disk. None: it has no volume, or a claim.
    """
    home = pods.WritableFolder(name="home", path=contract.HOME, size_mib=pods.mebibytes(storage_gib))
    shared_memory = pods.WritableFolder(
        name="shared-memory",
        path="/dev/shm",  # noqa: S108 - a volume of the pod
        size_mib=pods.mebibytes(shared_memory_gib),
        in_memory=True,
    )
    if model_cache_gib is None:
        return (home, pods.TEMPORARY, shared_memory)
    models = pods.WritableFolder(name=MODEL_VOLUME, path=MODEL_CACHE, size_mib=pods.mebibytes(model_cache_gib))
    return (home, models, pods.TEMPORARY, shared_memory)


def describe_template(pod: WorkerPod, source: pods.PodSource) -> k8s.core.v1.PodTemplateSpecArgs:
    """Return the template of a worker's pods.

    Args:
        pod: settings of the pod.
        source: image, configuration and secrets.
    """
    labels = {**pod.labels, pods.PART_OF_LABEL: PART_OF, **pod.more_labels}
    annotations = {**pod.fabric.annotations, **pods.annotate_content(source)}
    return k8s.core.v1.PodTemplateSpecArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels, annotations=annotations),
        spec=_describe_pod(pod, source),
    )


def _describe_pod(pod: WorkerPod, source: pods.PodSource) -> k8s.core.v1.PodSpecArgs:
    volumes, mounts = pods.mount_source(source)
    volumes += [folder.volume() for folder in pod.folders]
    mounts += [folder.mount() for folder in pod.folders]
    if pod.has_model_volume:
        mounts.append(k8s.core.v1.VolumeMountArgs(name=MODEL_VOLUME, mount_path=MODEL_CACHE))
    if pod.store_claim is not None:
        claim = k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=pod.store_claim, read_only=True)
        volumes.append(k8s.core.v1.VolumeArgs(name=_STORE_VOLUME, persistent_volume_claim=claim))
        mounts.append(k8s.core.v1.VolumeMountArgs(name=_STORE_VOLUME, mount_path=STORE_FOLDER, read_only=True))
    daemon = pod.fabric.daemon
    host_folders = {folder.name: folder for folder in (*pod.fabric.folders, *(daemon.folders if daemon else ()))}
    volumes += [folder.volume() for folder in host_folders.values()]
    mounts += [folder.mount() for folder in pod.fabric.folders]
    return k8s.core.v1.PodSpecArgs(
        service_account_name=WORKER_SERVICE_ACCOUNT,
        automount_service_account_token=False,
        enable_service_links=False,
        priority_class_name=SERVING_PRIORITY,
        termination_grace_period_seconds=find_grace_s(pod.drain_s),
        security_context=pods.secure_pod(),
        topology_spread_constraints=pod.spread,
        node_selector=dict(pod.nodes.labels) or None,
        tolerations=pods.tolerate_taints(pod.nodes),
        init_containers=None if daemon is None else [_describe_daemon(daemon)],
        containers=[_describe_container(pod, source, mounts)],
        volumes=volumes,
    )


def _describe_container(
    pod: WorkerPod, source: pods.PodSource, mounts: list[k8s.core.v1.VolumeMountArgs]
) -> k8s.core.v1.ContainerArgs:
    ports: list[k8s.core.v1.ContainerPortArgs] = []
    if pod.serves:
        ports.append(k8s.core.v1.ContainerPortArgs(name="http", container_port=pod.port))
    if pod.launch_port is not None:
        ports.append(k8s.core.v1.ContainerPortArgs(name="launch", container_port=pod.launch_port))
    started, live, ready = _describe_probes(pod, https=source.certificate is not None)
    fields = {contract.WORKER_ID: "metadata.name", contract.HOST: "status.podIP"}
    return k8s.core.v1.ContainerArgs(
        name="worker",
        image=source.image,
        image_pull_policy=pods.pull_policy(source.image),
        command=pod.command,
        args=["--config", f"{contract.CONFIG_FOLDER}/{CONFIG_FILE}"],
        env=pods.environment(fields, source, pod.fabric.environment),
        ports=ports,
        startup_probe=started,
        liveness_probe=live,
        readiness_probe=ready,
        resources=pods.request_resources(
            pod.resources, pod.folders, {pods.GPU_RESOURCE: str(pod.gpus), **pod.fabric.resources} if pod.gpus else {}
        ),
        security_context=pods.secure_container(read_only_root=pod.gpus == 0),
        volume_mounts=mounts,
    )


def _describe_probes(
    pod: WorkerPod, *, https: bool
) -> tuple[k8s.core.v1.ProbeArgs, k8s.core.v1.ProbeArgs | None, k8s.core.v1.ProbeArgs]:
    """Return the probes of the start, of liveness and of readiness."""
    failures = -(-pod.start_timeout_s // _START_PERIOD_S)
    if not pod.serves:
        # The other pods of a group listen for ranks once they have the model. The leader's probes find a dead rank.
        started = tcp_probe("launch", period_s=_START_PERIOD_S, failures=failures)
        return started, None, tcp_probe("launch", period_s=10, failures=3)
    return (
        # A worker answers `/health` while it loads. Its start is over when it is ready for the first time.
        http_probe(contract.READY_PATH, "http", period_s=_START_PERIOD_S, failures=failures, https=https),
        http_probe(contract.HEALTH_PATH, "http", period_s=10, failures=3, https=https),
        http_probe(contract.READY_PATH, "http", period_s=5, failures=3, https=https),
    )


def _describe_daemon(daemon: FabricDaemon) -> k8s.core.v1.ContainerArgs:
    """Return the daemon as a sidecar: it starts before the worker, and stops after it."""
    return k8s.core.v1.ContainerArgs(
        name=daemon.name,
        image=daemon.image,
        restart_policy="Always",
        command=daemon.command,
        env=[k8s.core.v1.EnvVarArgs(name="LD_LIBRARY_PATH", value=daemon.folders[0].mount_path)],
        security_context=k8s.core.v1.SecurityContextArgs(
            privileged=False,
            allow_privilege_escalation=False,
            run_as_non_root=False,
            run_as_user=0,
            capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"], add=list(daemon.capabilities)),
        ),
        resources=pods.request_resources(
            Resources(cpu_request=1, cpu_limit=4, memory_request_gib=1, memory_limit_gib=4), ()
        ),
        volume_mounts=[folder.mount() for folder in daemon.folders],
    )
