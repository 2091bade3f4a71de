"""The serving stack of a region: its pods, where they run, their engine's settings, and how long they take to start.

A replica that fits a node is one pod of a StatefulSet. One that spans nodes is a group of a LeaderWorkerSet: a pod for
each pipeline stage, which has the GPUs of one tensor-parallel group. `workloads` turns the plan into objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import ceil

from novacron_infra.catalog import Architecture, FabricKind, FormatName, KvCacheType, Machine, find_machine
from novacron_infra.config import CloudEnvironment, Platform, ProfileName
from novacron_infra.config.kubernetes import CoordinatorPods
from novacron_infra.config.sections.capacity import QueuedCapacity
from novacron_infra.config.sections.coordinators import HTTPS_PORT, METRICS_PORT
from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.model import Loader
from novacron_infra.config.sections.serving import ResponseCache
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.plan.scaling import ScalingPolicy, plan_scaling
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.plan.stores import find_region_store, find_store_rate
from novacron_infra.pools import AZURE_SPOT, GPU_TAINT, NODE_TYPE_LABEL, Capacity, NodePoolShape, NodeRole

DRAIN_S = 300
"""Seconds that requests in flight may take when a pod stops: generating 4,096 tokens at 50 ms each takes 205 s."""
_DISK_FRACTION = 0.8
"""Part of a node's local disks that pods may request. The kubelet keeps 10% free, and images take some."""
FILES_GIB = 16
"""Disk of a worker's home folder: caches of compiled kernels, temporary files, logs."""
CACHED_MODELS = 2
"""A worker downloads the next model before it drops the present one."""
_ENGINE_START_S = 300
"""Seconds to start the ranks, compile kernels and record CUDA graphs.

An assumption until it is measured. AWS's sample of the 405B model on two p5 allows 3,660 s in all
(aws-samples/awsome-inference, `multinode-triton-trtllm-inference`, read on 2026-11-29).
"""
_DISK_TO_GPU_GB_PER_S = 1.0
"""Rate at which a pod reads weights from its disk onto its GPUs, in 10^9 bytes a second. Also an assumption."""
_FAST_VOLUME_GB_PER_S = 1.05
"""A `fast-ssd` volume writes 1,000 MiB/s where its speed can be chosen."""


class CacheKind(str, Enum):
    """Where a worker keeps downloaded models. Both survive a restart of the container."""

    LOCAL_NVME = "local-nvme"
    """The node's own disks. The cache is deleted with the pod."""
    FAST_VOLUME = "fast-volume"
    """A volume of the storage class `fast-ssd`, for nodes whose disks pods cannot use. It stays with the pod's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCache:
    """The disk of a worker's downloaded models."""

    kind: CacheKind
    size_gib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Settings of TensorRT-LLM for the replicas of one profile."""

    weights: FormatName
    architecture: Architecture
    tensor_parallel: int
    """GPUs of each pod, which share each layer."""
    pipeline_parallel: int
    """Pods of a replica, which share the layers."""
    max_context_tokens: int
    max_step_tokens: int
    """Tokens in one step of the engine, over all requests."""
    kv_cache: KvCacheType
    kv_cache_fraction: float
    """Part of the GPU memory that is free after loading the weights."""
    window_tokens: tuple[int, ...] = ()
    """Tokens that each layer keeps, repeated over the layers. Empty: every layer keeps the whole context."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadTime:
    """How long a worker takes from its start until it is ready. Each pod of a replica downloads all weights."""

    weights_gb: float
    """Weights of the whole replica in 10^9 bytes."""
    store_gb_per_s: float | None
    """Rate at which a pod downloads them, in 10^9 bytes a second. None: an NFS server whose speed is not known."""
    engine_start_s: int
    """Seconds from the end of the download until the engine is ready."""
    loader: Loader

    @property
    def download_s(self) -> int | None:
        """Expected seconds of the download."""
        return None if self.store_gb_per_s is None else ceil(self.weights_gb / self.store_gb_per_s)

    @property
    def limit_s(self) -> int:
        """Seconds after which the pod is restarted: the loader's own limit, with its retries, and the engine's start.

        The loader gives up first, and its error names the file. A probe that fails first would hide the reason.
        """
        return self.loader.timeout_s + self.engine_start_s


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePlacement:
    """The nodes that pods run on."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a node must have. None: any node."""
    tolerated_taints: tuple[str, ...] = ()
    """Keys of the taints that do not keep pods off the node."""
    zones: int = 1
    """Availability zones that the nodes are in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodFabric:
    """The network between the pods of a replica that spans nodes."""

    kind: FabricKind
    interfaces: int
    """Interfaces of each pod: the node's, in proportion to its GPUs."""
    daemon_image: str | None = None
    """Image of the daemon that TCPX and TCPXO need in each pod."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerGroup:
    """The replicas of one profile in a region."""

    name: str
    """Name of the StatefulSet or LeaderWorkerSet, of its headless Service and of its disruption budget."""
    profile: ProfileName
    replicas: int
    """At the start. 0: replicas start on demand."""
    minimum_replicas: int
    maximum_replicas: int
    """Replicas that the GPUs of the region hold at its maximum of workers."""
    warm_replicas: int = 0
    """Further replicas for which nodes are kept running."""
    gpus_per_pod: int
    resources: Resources
    """Requests and limits of each pod."""
    shared_memory_gib: float
    storage_gib: float
    """Node disk of each pod besides the cache of models."""
    cache: ModelCache
    engine: EngineSettings
    load: LoadTime
    fabric: PodFabric | None
    """None: a replica is within a node."""
    nodes: NodePlacement
    model_folder: str
    """Folder of the weights below the store's prefix."""
    drain_s: int = DRAIN_S
    queue: str | None = None
    """Kueue LocalQueue that admits the pods, with queued capacity."""
    scaling: ScalingPolicy | None = None
    """When the number of replicas changes. None: it stays."""

    @property
    def pods_per_replica(self) -> int:
        """Pods of a replica, each on a node of its own if it has all of the node's GPUs."""
        return self.engine.pipeline_parallel

    @property
    def spans_nodes(self) -> bool:
        """Whether a replica is a group of pods, and the workload a LeaderWorkerSet."""
        return self.pods_per_replica > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingPorts:
    """Ports of the processes in pods."""

    http: int = 8080
    """The coordinators' API."""
    https: int = HTTPS_PORT
    """The coordinators' API with TLS, where they have a certificate."""
    grpc: int = 9090
    """Where workers register with coordinators."""
    metrics: int = METRICS_PORT
    """Where Prometheus reads the coordinators' metrics."""
    worker: int = 9091
    """Where workers get requests from coordinators."""
    launch: int = 9092
    """Where the pods of a replica start each other's ranks, by SSH."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionServing:
    """The serving stack of one region."""

    region: str
    platform: Platform
    model_id: str
    """The name that clients ask for."""
    coordinators: CoordinatorPods
    coordinator_nodes: NodePlacement
    workers: tuple[WorkerGroup, ...]
    """A group for each profile, in the order of the configuration."""
    ports: ServingPorts = field(default_factory=ServingPorts)


def plan_region_serving(plan: EnvironmentPlan, region: RegionPlan) -> RegionServing:
    """Return the serving stack of a region.

    Args:
        plan: the plan of the environment.
        region: the plan of the region.
    """
    config = plan.config
    (described,) = [item for item in config.regions if item.name == region.name]
    pools = plan_node_pools(plan, region, described.zones)
    rate_gb_per_s = find_store_rate(find_region_store(config, described), region.platform, config.model.loader.parallel)
    cache = ResponseCache(memory_mib=config.caches.memory_gib * 1024)
    return RegionServing(
        region=region.name,
        platform=region.platform,
        model_id=config.model.id,
        coordinators=CoordinatorPods(
            count=config.coordinators.count,
            resources=config.coordinators.resources,
            response_cache=cache,
            drain_s=DRAIN_S,
        ),
        coordinator_nodes=_place(pools["coordinators"], region.platform),
        workers=tuple(
            _plan_group(plan, region, pools["workers"], index, rate_gb_per_s) for index in range(len(plan.profiles))
        ),
        ports=ServingPorts(
            http=config.coordinators.http_port,
            grpc=config.coordinators.grpc_port,
            worker=config.workers.coordination_port,
            launch=config.workers.tensor_port,
        ),
    )


def _plan_group(
    plan: EnvironmentPlan, region: RegionPlan, pool: NodePoolShape, index: int, store_gb_per_s: float | None
) -> WorkerGroup:
    config, profile = plan.config, plan.profiles[index]
    size, machine_type = profile.size, find_machine(pool.machine)
    pods_per_node = machine_type.gpu_count // size.tensor_parallel
    cache = plan_cache(size, machine_type, region.platform)
    maximum = region.maximum_nodes * pods_per_node // size.pipeline_parallel
    return WorkerGroup(
        name=f"llm-workers-{profile.name.value}",
        profile=profile.name,
        replicas=region.replicas[index],
        minimum_replicas=region.minimum_replicas[index],
        maximum_replicas=maximum,
        warm_replicas=0 if index else config.workers.warm_replicas,
        queue=_find_queue(config, region),
        gpus_per_pod=size.tensor_parallel,
        resources=config.workers.resources,
        shared_memory_gib=config.workers.shared_memory_gib,
        storage_gib=FILES_GIB,
        cache=cache,
        engine=choose_engine_settings(size),
        load=estimate_load(size, config.model.loader, store_gb_per_s, cache),
        fabric=find_fabric(size, machine_type, config.images),
        nodes=_place(pool, region.platform),
        model_folder=f"{config.model.id}-{size.weights.name.value}",
        scaling=_plan_scaling(plan, region, index, maximum),
    )


def _plan_scaling(plan: EnvironmentPlan, region: RegionPlan, index: int, maximum: int) -> ScalingPolicy | None:
    """Return the scaling policy of a group. A group that may have no replicas has no metrics to scale by."""
    config, size, minimum = plan.config, plan.profiles[index].size, region.minimum_replicas[index]
    if config.autoscaling is None or not 0 < minimum < maximum:
        return None
    return plan_scaling(
        config.autoscaling,
        minimum_replicas=minimum,
        maximum_replicas=maximum,
        workers_per_replica=size.tensor_parallel * size.pipeline_parallel / config.workers.gpus_per_worker,
        quality_floor_fraction=config.targets.quality_fraction.minimum,
    )


def plan_cache(size: ReplicaSize, machine_type: Machine, platform: Platform) -> ModelCache:
    """Return where the pods of a replica keep downloaded models.

    AKS does not make an array of a machine's local disks, so pods there get a volume; so do pods on machines whose
    local disks hold less than the weights of two models.

    Args:
        size: the replica.
        machine_type: the machine of its nodes.
        platform: the cloud.
    """
    needed_gib = ceil(CACHED_MODELS * size.replica_weight_bytes / 2**30)
    share = size.tensor_parallel / machine_type.gpu_count
    local_gib = int((machine_type.local_nvme_gb or 0) * 1e9 / 2**30 * _DISK_FRACTION * share) - FILES_GIB
    if platform is Platform.AZURE or local_gib < needed_gib:
        return ModelCache(kind=CacheKind.FAST_VOLUME, size_gib=needed_gib)
    return ModelCache(kind=CacheKind.LOCAL_NVME, size_gib=local_gib)


def choose_engine_settings(size: ReplicaSize) -> EngineSettings:
    """Return the engine's settings of a replica."""
    window, context_tokens = size.model.window, size.workload.context_tokens
    window_tokens: tuple[int, ...] = ()
    if window is not None and window.tokens < context_tokens:
        full = (context_tokens,) if window.full_every else ()
        window_tokens = (window.tokens,) * max(1, window.full_every - 1) + full
    return EngineSettings(
        weights=size.weights.name,
        architecture=size.gpu.architecture,
        tensor_parallel=size.tensor_parallel,
        pipeline_parallel=size.pipeline_parallel,
        max_context_tokens=context_tokens,
        max_step_tokens=size.workload.batch_tokens,
        kv_cache=size.kv_cache,
        kv_cache_fraction=size.workload.kv_fraction,
        window_tokens=window_tokens,
    )


def estimate_load(size: ReplicaSize, loader: Loader, store_gb_per_s: float | None, cache: ModelCache) -> LoadTime:
    """Return how long a pod of a replica takes to start.

    Args:
        size: the replica.
        loader: limits of the download.
        store_gb_per_s: rate of the store in 10^9 bytes a second; None if it is not known.
        cache: the disk that the pod downloads to.
    """
    if store_gb_per_s is not None and cache.kind is CacheKind.FAST_VOLUME:
        store_gb_per_s = min(store_gb_per_s, _FAST_VOLUME_GB_PER_S)
    weights_gb = size.replica_weight_bytes / 1e9
    return LoadTime(
        weights_gb=weights_gb,
        store_gb_per_s=store_gb_per_s,
        engine_start_s=_ENGINE_START_S + ceil(weights_gb / size.pipeline_parallel / _DISK_TO_GPU_GB_PER_S),
        loader=loader,
    )


def find_fabric(size: ReplicaSize, machine_type: Machine, images: Images) -> PodFabric | None:
    """Return the fabric between the pods of a replica; None for a replica within a node.

    Args:
        size: the replica.
        machine_type: the machine of its nodes.
        images: images of the daemons that some fabrics need.
    """
    if size.pipeline_parallel == 1 or machine_type.fabric is None:
        return None
    kind = machine_type.fabric.kind
    daemons = {FabricKind.TCPX: images.tcpx_daemon, FabricKind.TCPXO: images.tcpxo_daemon}
    return PodFabric(
        kind=kind,
        interfaces=max(1, machine_type.fabric.interfaces * size.tensor_parallel // machine_type.gpu_count),
        daemon_image=daemons[kind].reference if kind in daemons else None,
    )


def _find_queue(config: CloudEnvironment, region: RegionPlan) -> str | None:
    (described,) = [item for item in config.regions if item.name == region.name]
    capacity = config.find_capacity(described)
    return capacity.queue if isinstance(capacity, QueuedCapacity) else None


def _place(pool: NodePoolShape, platform: Platform) -> NodePlacement:
    taints = [GPU_TAINT] if pool.role is NodeRole.WORKER else []
    if platform is Platform.AZURE and pool.capacity is Capacity.SPOT:
        taints.append(AZURE_SPOT)
    return NodePlacement(
        labels={NODE_TYPE_LABEL: pool.role.value}, tolerated_taints=tuple(taints), zones=max(1, len(pool.zones))
    )
