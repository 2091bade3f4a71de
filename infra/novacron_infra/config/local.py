"""LocalEnvironment: the serving stack as processes on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from novacron_infra.config.problems import problem
from novacron_infra.config.sections.base import Fraction, Port, Section
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem

LAST_PORT = 65535


class Device(str, Enum):
    """What the PyTorch engine computes on."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class LocalQuantization(str, Enum):
    """What the PyTorch engine makes of the weights."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"


class ModelConfig(Section):
    """The model to serve."""

    id: str = Field(default="novacron-tiny", min_length=1)
    """The name that clients ask for."""
    path: Path | None = None
    """A Hugging Face model folder; the tiny model that ships with NovaCron when left out."""
    quantization: LocalQuantization = LocalQuantization.NONE
    """Of the weights; `novacron quality` measures what it costs."""


class Routing(str, Enum):
    """How a worker is chosen for a request."""

    PREFIX_AFFINE = "prefix_affine"
    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"


class AnswerCache(Section):
    """Answers with temperature 0 that are given again, to API keys that ask for it."""

    memory_mib: int = Field(default=256, ge=1)
    """In the coordinator."""
    disk_mib: int = Field(default=0, ge=0)
    """In the stack's folder; 0: none there."""
    ttl_s: int = Field(default=3600, ge=1)
    """An answer is given again for so long."""


class CoordinatorConfig(Section):
    """The process that clients talk to."""

    http_port: Port = 8080
    """OpenAI-compatible HTTP API."""
    grpc_port: Port = 9090
    """Where workers register."""
    routing: Routing = Routing.PREFIX_AFFINE
    """prefix_affine: where the beginning of the prompt was sent before, unless that worker has too much to do."""
    max_requests: int = Field(default=4096, ge=1)
    """Requests under way or waiting at the same time; beyond it the answer is 429."""
    queue_timeout_s: float = Field(default=60.0, gt=0)
    """A request that waited so long for a worker's place is answered with 503."""
    api_keys: bool = False
    """Whether clients need a key. The administrator's is made with the stack: `novacron key` shows it."""
    answer_cache: AnswerCache | None = None
    """None: no answer is kept."""
    minimum_quality: Fraction | None = None
    """A registered model whose measured score is lower, or not known, is not loaded; None: any is."""


class WorkersConfig(Section):
    """The processes that hold the model."""

    count: int = Field(default=2, ge=1, le=64)
    """Worker processes."""
    base_port: Port = 9091
    """The first worker's port; the others follow it."""
    device: Device = Device.AUTO
    threads: int = Field(default=1, ge=1, le=1024)
    """CPU threads of each worker."""
    start_timeout_s: int = Field(default=120, ge=1, le=3600)
    """How long loading the model may take."""


class LocalEnvironment(Section):
    """The local platform."""

    platform: Literal[Platform.LOCAL]
    """Processes on this machine."""
    model: ModelConfig = ModelConfig()
    coordinator: CoordinatorConfig = CoordinatorConfig()
    workers: WorkersConfig = WorkersConfig()


def broken_local_rules(parts: Mapping[str, Any]) -> list[Problem]:
    """The rules between parts that do not hold; a part that is not in `parts` is itself invalid."""
    coordinator: CoordinatorConfig | None = parts.get("coordinator")
    workers: WorkersConfig | None = parts.get("workers")
    found: list[Problem] = []
    if coordinator is not None and coordinator.http_port == coordinator.grpc_port:
        found.append(
            problem("coordinator.grpc_port", coordinator.grpc_port, "it is also http_port", "Give each its own port")
        )
    if workers is None:
        return found
    first, last = workers.base_port, workers.base_port + workers.count - 1
    if last > LAST_PORT:
        rule = f"worker {workers.count} would listen on {last}, above {LAST_PORT}"
        found.append(problem("workers.base_port", first, rule, f"Use at most {LAST_PORT + 1 - workers.count}"))
    if coordinator is not None:
        ports = {"http_port": coordinator.http_port, "grpc_port": coordinator.grpc_port}
        found += [
            problem(
                f"coordinator.{name}", port, f"it lies among the workers' ports {first} to {last}", "Move one of them"
            )
            for name, port in ports.items()
            if first <= port <= last
        ]
    return found
