"""The configuration files of coordinators and workers, wherever they run.

The keys are novacron-serving's: `coordinator/config.py` and `worker/config.py` there describe them and their defaults.
Infrastructure never imports that package; a test gives these files to it. Secrets are never in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from typing_extensions import NotRequired

from novacron_infra.catalog import KvCacheType
from novacron_infra.config.sections.serving import (
    CoordinatorSettings,
    PyTorchQuantization,
    PyTorchSettings,
    ResponseCache,
)
from novacron_infra.plan.serving import ServingPorts, WorkerGroup


class CacheFile(TypedDict, total=False):
    """The coordinator's response cache."""

    memory_mib: int
    ttl_s: int
    disk: str
    disk_mib: int
    redis: bool


class ClusterTlsFile(TypedDict):
    """The certificate for the traffic between coordinators and workers."""

    certificate: str
    key: str
    ca: str
    server_name: str


class ApiTlsFile(TypedDict):
    """The certificate of the API, and the port that has it."""

    certificate: str
    key: str
    port: int


class RedisFile(TypedDict, total=False):
    """How a coordinator signs in to Redis."""

    cluster: bool
    one_host: bool
    login: str
    password_file: str


class CoordinatorFile(TypedDict):
    """A coordinator's configuration file."""

    host: NotRequired[str]
    http_port: int
    grpc_port: int
    metrics_port: NotRequired[int]
    minimum_workers: int
    workers_timeout_s: NotRequired[float]
    workers_name: NotRequired[str]
    routing: str
    allowed_hosts: list[str]
    cors_origins: list[str]
    max_requests: int
    queue_timeout_s: float
    minimum_quality: float | None
    database_url: str | None
    cache: CacheFile | None
    tls: NotRequired[ApiTlsFile]
    database_password_file: NotRequired[str]
    redis_url: NotRequired[str]
    redis: NotRequired[RedisFile]
    drain_notice_s: NotRequired[float]
    drain_s: NotRequired[int]


class ModelFile(TypedDict):
    """The model that a worker serves. Without `path` and `url`: the tiny model of novacron-serving."""

    id: str
    path: NotRequired[str]
    url: NotRequired[str]


class PyTorchFile(TypedDict):
    """The PyTorch engine."""

    kind: str
    device: str
    threads: int
    quantization: str
    max_context_tokens: NotRequired[int]
    chat_template: NotRequired[str]


class KvCacheFile(TypedDict):
    """The key-value cache of TensorRT-LLM."""

    free_gpu_memory_fraction: float
    dtype: str
    window_tokens: NotRequired[list[int]]


class TensorRtLlmFile(TypedDict):
    """The TensorRT-LLM engine."""

    kind: str
    tensor_parallel: int
    pipeline_parallel: int
    gpus_per_node: int
    launch_port: int
    quantization: str
    gpu_architecture: str
    max_context_tokens: int
    max_step_tokens: int
    kv_cache: KvCacheFile


class LoaderFile(TypedDict):
    """Limits of a download."""

    timeout_s: int
    retries: int
    parallel: int


class WorkerFile(TypedDict):
    """A worker's configuration file."""

    worker_id: NotRequired[str]
    port: int
    coordinator: str
    model: ModelFile
    model_cache: str
    store_mounts: NotRequired[dict[str, str]]
    loader: NotRequired[LoaderFile]
    engine: PyTorchFile | TensorRtLlmFile
    performance_profile: NotRequired[str]
    drain_s: NotRequired[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class PodTimes:
    """The times of a coordinator in a pod."""

    workers_timeout_s: float
    """How long a new coordinator waits for workers before it is ready without them."""
    drain_notice_s: float
    """How long it serves after SIGTERM while `/ready` returns 503."""
    drain_s: int
    """How long streams in flight may take after that."""


def build_coordinator_file(
    settings: CoordinatorSettings,
    *,
    http_port: int,
    grpc_port: int,
    metrics_port: int | None = None,
    minimum_workers: int,
    cache_folder: Path,
    database_url: str | None = None,
    host: str | None = None,
    workers_name: str | None = None,
    pod_times: PodTimes | None = None,
    redis: bool = False,
) -> CoordinatorFile:
    """Return a coordinator's configuration file.

    Args:
        settings: the environment's settings of the coordinator.
        http_port: port of the API.
        grpc_port: port where workers register.
        metrics_port: port of its metrics. None: the API's.
        minimum_workers: how many workers make it ready.
        cache_folder: folder of the cached responses that are kept on disk.
        database_url: the database of its keys and models, without a password. None: a variable may give it.
        host: the address to listen on. None: loopback, or a variable gives it.
        workers_name: DNS name of all workers: while it has no address, there are none to wait for.
        pod_times: the times of a coordinator in a pod. None: the defaults of novacron-serving.
        redis: whether there is a Redis-compatible service, which then caches responses as well.
    """
    file: CoordinatorFile = {
        "http_port": http_port,
        "grpc_port": grpc_port,
        "minimum_workers": minimum_workers,
        "routing": settings.routing.value,
        "allowed_hosts": list(settings.allowed_hosts),
        "cors_origins": list(settings.cors_origins),
        "max_requests": settings.max_requests,
        "queue_timeout_s": settings.queue_timeout_s,
        "minimum_quality": settings.minimum_quality,
        "database_url": database_url,
        "cache": None
        if settings.response_cache is None
        else _cache(settings.response_cache, cache_folder, redis=redis),
    }
    if metrics_port is not None:
        file["metrics_port"] = metrics_port
    if host is not None:
        file["host"] = host
    if workers_name is not None:
        file["workers_name"] = workers_name
    if pod_times is not None:
        file["workers_timeout_s"] = pod_times.workers_timeout_s
        file["drain_notice_s"] = pod_times.drain_notice_s
        file["drain_s"] = pod_times.drain_s
    return file


def build_pytorch_worker_file(
    settings: PyTorchSettings,
    model: ModelFile,
    *,
    quantization: PyTorchQuantization,
    port: int,
    coordinator: str,
    model_cache: Path,
    worker_id: str | None = None,
    drain_s: int | None = None,
    max_context_tokens: int | None = None,
    chat_template: Path | None = None,
) -> WorkerFile:
    """Return the configuration file of a worker with the PyTorch engine.

    Args:
        settings: the environment's settings of the engine.
        model: the model and its place.
        quantization: quantisation of the weights.
        port: where it serves requests.
        coordinator: `host:port` of the coordinators' gRPC.
        model_cache: where models from stores are kept on the worker's machine.
        worker_id: the worker's name among all workers. None: a variable gives each pod its own, and its address.
        drain_s: how long requests in flight may take when it stops. None: the default of novacron-serving.
        max_context_tokens: upper bound for the context of the model. None: no other bound.
        chat_template: file with the chat template to use instead of the model's.
    """
    engine: PyTorchFile = {
        "kind": "pytorch",
        "device": settings.device.value,
        "threads": settings.threads,
        "quantization": quantization.value,
    }
    if max_context_tokens is not None:
        engine["max_context_tokens"] = max_context_tokens
    if chat_template is not None:
        engine["chat_template"] = str(chat_template)
    file: WorkerFile = {
        "port": port,
        "coordinator": coordinator,
        "model": model,
        "model_cache": str(model_cache),
        "engine": engine,
    }
    if worker_id is not None:
        file["worker_id"] = worker_id
    if drain_s is not None:
        file["drain_s"] = drain_s
    return file


def build_tensorrt_llm_worker_file(
    group: WorkerGroup,
    *,
    model_id: str,
    store_url: str,
    mounted_url: str | None,
    mount_folder: str,
    ports: ServingPorts,
    coordinator: str,
    model_cache: Path,
) -> WorkerFile:
    """Return the configuration file of the workers of a group, which all pods of a replica read.

    Args:
        group: the plan of the group.
        model_id: the name that clients ask for.
        store_url: URL of the models.
        mounted_url: URL of the file system that is mounted at `mount_folder`. None: the store is none.
        mount_folder: where that file system is mounted.
        ports: ports of the processes.
        coordinator: `host:port` of the coordinators' gRPC.
        model_cache: where models from the store are kept.
    """
    engine = group.engine
    kv_cache: KvCacheFile = {
        "free_gpu_memory_fraction": engine.kv_cache_fraction,
        "dtype": "fp8" if engine.kv_cache is KvCacheType.FP8 else "auto",
    }
    file: WorkerFile = {
        "port": ports.worker,
        "coordinator": coordinator,
        "model": {"id": model_id, "url": f"{store_url.rstrip('/')}/{group.model_folder}"},
        "model_cache": str(model_cache),
        "loader": {
            "timeout_s": group.load.loader.timeout_s,
            "retries": group.load.loader.retries,
            "parallel": group.load.loader.parallel,
        },
        "engine": {
            "kind": "tensorrt-llm",
            "tensor_parallel": engine.tensor_parallel,
            "pipeline_parallel": engine.pipeline_parallel,
            "gpus_per_node": group.gpus_per_pod,
            "launch_port": ports.launch,
            "quantization": engine.weights.value,
            "gpu_architecture": engine.architecture.value,
            "max_context_tokens": engine.max_context_tokens,
            "max_step_tokens": engine.max_step_tokens,
            "kv_cache": kv_cache,
        },
        "performance_profile": group.profile.value,
        "drain_s": group.drain_s,
    }
    if engine.window_tokens:
        kv_cache["window_tokens"] = list(engine.window_tokens)
    if mounted_url is not None:
        file["store_mounts"] = {mounted_url: mount_folder}
    return file


def _cache(settings: ResponseCache, folder: Path, *, redis: bool) -> CacheFile:
    file: CacheFile = {"memory_mib": settings.memory_mib, "ttl_s": settings.ttl_s}
    if settings.disk_mib:
        file |= {"disk": str(folder), "disk_mib": settings.disk_mib}
    if redis:
        file["redis"] = True
    return file
