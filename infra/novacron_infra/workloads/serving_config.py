"""The configuration files of coordinators and workers, wherever they run.

The keys are novacron-serving's: `coordinator/config.py` and `worker/config.py` there describe them and their defaults.
Infrastructure never imports that package; a test gives these files to it. Secrets are never in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from typing_extensions import NotRequired

from novacron_infra.config.sections.serving import (
    CoordinatorSettings,
    PyTorchQuantization,
    PyTorchSettings,
    ResponseCache,
)


class CacheFile(TypedDict, total=False):
    """The coordinator's response cache."""

    memory_mib: int
    ttl_s: int
    disk: str
    disk_mib: int


class CoordinatorFile(TypedDict):
    """A coordinator's configuration file."""

    host: NotRequired[str]
    http_port: int
    grpc_port: int
    minimum_workers: int
    workers_timeout_s: NotRequired[float]
    routing: str
    allowed_hosts: list[str]
    cors_origins: list[str]
    max_requests: int
    queue_timeout_s: float
    minimum_quality: float | None
    database_url: str | None
    cache: CacheFile | None
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


class WorkerFile(TypedDict):
    """A worker's configuration file."""

    worker_id: NotRequired[str]
    port: int
    coordinator: str
    model: ModelFile
    model_cache: str
    engine: PyTorchFile
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
    minimum_workers: int,
    cache_folder: Path,
    database_url: str | None = None,
    host: str | None = None,
    pod_times: PodTimes | None = None,
) -> CoordinatorFile:
    """Return a coordinator's configuration file.

    Args:
        settings: the environment's settings of the coordinator.
        http_port: port of the API.
        grpc_port: port where workers register.
        minimum_workers: how many workers make it ready.
        cache_folder: folder of the cached responses that are kept on disk.
        database_url: the database of its keys and models, without a password. None: a variable may give it.
        host: the address to listen on. None: loopback, or a variable gives it.
        pod_times: the times of a coordinator in a pod. None: the defaults of novacron-serving.
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
        "cache": None if settings.response_cache is None else _cache(settings.response_cache, cache_folder),
    }
    if host is not None:
        file["host"] = host
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
    """
    file: WorkerFile = {
        "port": port,
        "coordinator": coordinator,
        "model": model,
        "model_cache": str(model_cache),
        "engine": {
            "kind": "pytorch",
            "device": settings.device.value,
            "threads": settings.threads,
            "quantization": quantization.value,
        },
    }
    if worker_id is not None:
        file["worker_id"] = worker_id
    if drain_s is not None:
        file["drain_s"] = drain_s
    return file


def _cache(settings: ResponseCache, folder: Path) -> CacheFile:
    memory: CacheFile = {"memory_mib": settings.memory_mib, "ttl_s": settings.ttl_s}
    return {**memory, "disk": str(folder), "disk_mib": settings.disk_mib} if settings.disk_mib else memory
