"""LocalEnvironment: the serving stack as processes on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from novacron_infra.config.problems import problem
from novacron_infra.config.sections.base import Fraction, Port, Section, TextPattern, broken_rule
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem

LAST_PORT = 65535


def _expand_home(path: Path) -> Path:
    """Replace `~` and `~user` by the home folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        rule = f"{path.parts[0]} has no home folder on this machine"
        raise broken_rule(rule, "Write the whole path") from error


def _check_inheritable(pattern: str) -> str:
    if pattern.startswith("PULUMI"):
        rule = "variables of Pulumi stay with the deployment, because they hold the passphrase of its secrets"
        raise broken_rule(rule, "Remove it")
    return pattern


EnvironmentPattern = Annotated[
    str,
    TextPattern(
        r"[A-Za-z_][A-Za-z0-9_]*\*?", "it is not the name of a variable, nor the beginning of one and *", "AWS_*"
    ),
    AfterValidator(_check_inheritable),
]
"""The name of an environment variable, or how its name begins and `*`."""


class Device(str, Enum):
    """The device that the PyTorch engine computes on."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class LocalQuantization(str, Enum):
    """How the PyTorch engine quantises the weights."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"


class ModelConfig(Section):
    """The model to serve."""

    id: str = Field(default="novacron-tiny", min_length=1)
    """The name that clients ask for."""
    path: Annotated[Path, AfterValidator(_expand_home)] | None = None
    """A Hugging Face model folder, relative to the project's folder; `~` is the home folder.

    Left out: the tiny model that ships with NovaCron.
    """
    quantization: LocalQuantization = LocalQuantization.NONE
    """Quantisation of the weights; `novacron quality` measures what it costs."""


class Routing(str, Enum):
    """How the coordinator chooses a worker for a request."""

    PREFIX_AFFINE = "prefix_affine"
    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"


class ResponseCache(Section):
    """A cache of responses with temperature 0, for API keys that ask for it."""

    memory_mib: int = Field(default=256, ge=1)
    """Size in the coordinator's memory, in MiB."""
    disk_mib: int = Field(default=0, ge=0)
    """Size on disk, in the stack's folder, in MiB; 0: none on disk."""
    ttl_s: int = Field(default=3600, ge=1)
    """Time to live of a cached response, in seconds."""


class CoordinatorConfig(Section):
    """The process that clients talk to."""

    http_port: Port = 8080
    """Port of the OpenAI-compatible HTTP API."""
    grpc_port: Port = 9090
    """Port where workers register."""
    routing: Routing = Routing.PREFIX_AFFINE
    """prefix_affine: the worker with the longest cached prefix of the prompt, unless it is overloaded."""
    max_requests: int = Field(default=4096, ge=1)
    """Requests in flight or waiting at the same time; the coordinator answers further ones with 429."""
    queue_timeout_s: float = Field(default=60.0, gt=0)
    """Seconds that a request waits for a worker before the coordinator answers it with 503."""
    api_keys: bool = False
    """Whether clients need an API key. `novacron key` shows the administrator's, which is generated with the stack."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that clients may use in addition to localhost, such as a reverse proxy's.

    The `Host` header is checked while clients need no API key, or if this is set.
    """
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the API: `http://localhost:3000`, for example."""
    response_cache: ResponseCache | None = None
    """None: no response is cached."""
    minimum_quality: Fraction | None = None
    """The lowest quality score that a registered model needs to be loaded. None: any model may be loaded.

    A model without a score is not loaded, unless this is None.
    """


class WorkersConfig(Section):
    """The processes that hold the model."""

    count: int = Field(default=2, ge=1, le=64)
    """Number of worker processes."""
    base_port: Port = 9091
    """Port of the first worker; the others have the ports after it."""
    device: Device = Device.AUTO
    threads: int = Field(default=1, ge=1, le=1024)
    """CPU threads of each worker."""
    start_timeout_s: int = Field(default=120, ge=1, le=3600)
    """Seconds that a worker may take to load the model."""


class LocalEnvironment(Section):
    """The local platform."""

    platform: Literal[Platform.LOCAL]
    """Processes on this machine."""
    model: ModelConfig = ModelConfig()
    coordinator: CoordinatorConfig = CoordinatorConfig()
    workers: WorkersConfig = WorkersConfig()
    pass_env: list[EnvironmentPattern] = Field(default_factory=list[EnvironmentPattern])
    """Further environment variables that the processes inherit from the shell that deploys them.

    Names, or patterns that end in `*`. Models in S3 need `AWS_*`, for example. docs/local-stack.md lists the variables
    that every stack inherits.
    """


def check_local_rules(parts: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each rule between sections that does not hold.

    Args:
        parts: the valid sections, by name; a section that is not in it is itself invalid.
    """
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
        rule = f"worker-{workers.count - 1} would listen on {last}, above {LAST_PORT}"
        found.append(problem("workers.base_port", first, rule, f"Use at most {LAST_PORT + 1 - workers.count}"))
    if coordinator is not None:
        ports = {"http_port": coordinator.http_port, "grpc_port": coordinator.grpc_port}
        found += [
            problem(
                f"coordinator.{name}", port, f"it is one of the workers' ports, {first} to {last}", "Move one of them"
            )
            for name, port in ports.items()
            if first <= port <= last
        ]
    return found
