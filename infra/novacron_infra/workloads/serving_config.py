"""The configuration files of coordinators and workers, wherever they run.

The keys are novacron-serving's: `coordinator/config.py` and `worker/config.py` there describe them and their defaults.
Infrastructure never imports that package; a test gives these files to it. Secrets are never in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from novacron_infra.config.local import CoordinatorConfig, ModelConfig, ResponseCache, WorkersConfig


class CacheFile(TypedDict, total=False):
    """The coordinator's response cache."""

    memory_mib: int
    ttl_s: int
    disk: str
    disk_mib: int


class CoordinatorFile(TypedDict):
    """A coordinator's configuration file."""

    http_port: int
    grpc_port: int
    minimum_workers: int
    routing: str
    allowed_hosts: list[str]
    cors_origins: list[str]
    max_requests: int
    queue_timeout_s: float
    minimum_quality: float | None
    database_url: str
    cache: CacheFile | None


class ModelFile(TypedDict):
    """The model that a worker serves."""

    id: str
    path: str


class PyTorchFile(TypedDict):
    """The PyTorch engine."""

    kind: str
    device: str
    threads: int
    quantization: str


class WorkerFile(TypedDict):
    """A worker's configuration file."""

    worker_id: str
    port: int
    coordinator: str
    model: ModelFile
    model_cache: str
    engine: PyTorchFile


def build_coordinator_file(
    settings: CoordinatorConfig, *, minimum_workers: int, database_url: str, cache_folder: Path
) -> CoordinatorFile:
    """Return a coordinator's configuration file.

    Args:
        settings: the environment's settings of the coordinator.
        minimum_workers: how many workers make it ready.
        database_url: the database of its keys and models, without a password.
        cache_folder: folder of the cached responses that are kept on disk.
    """
    return {
        "http_port": settings.http_port,
        "grpc_port": settings.grpc_port,
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


def build_pytorch_worker_file(
    settings: WorkersConfig,
    model: ModelConfig,
    *,
    worker_id: str,
    port: int,
    coordinator: str,
    model_folder: Path,
    model_cache: Path,
) -> WorkerFile:
    """Return the configuration file of a worker with the PyTorch engine.

    Args:
        settings: the environment's settings of the workers.
        model: the environment's settings of the model.
        worker_id: the worker's name among all workers.
        port: where it serves requests.
        coordinator: `host:port` of the coordinators' gRPC.
        model_folder: the model's files.
        model_cache: where models from stores are kept on the worker's machine.
    """
    return {
        "worker_id": worker_id,
        "port": port,
        "coordinator": coordinator,
        "model": {"id": model.id, "path": str(model_folder)},
        "model_cache": str(model_cache),
        "engine": {
            "kind": "pytorch",
            "device": settings.device.value,
            "threads": settings.threads,
            "quantization": model.quantization.value,
        },
    }


def _cache(settings: ResponseCache, folder: Path) -> CacheFile:
    memory: CacheFile = {"memory_mib": settings.memory_mib, "ttl_s": settings.ttl_s}
    return {**memory, "disk": str(folder), "disk_mib": settings.disk_mib} if settings.disk_mib else memory
