"""Worker configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from novacron_serving.cluster_tls import ClusterTlsConfig
from novacron_serving.engines.pytorch import PyTorchConfig
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.models import TINY_MODEL, LoaderConfig
from novacron_serving.protocol import PerformanceProfile, WorkerRole

EngineConfig = Annotated[PyTorchConfig | TensorRtLlmConfig, Field(discriminator="kind")]
"""Engine settings; `kind` selects the engine."""
HostAndPort = Annotated[str, Field(pattern=r"^[^:]+:\d+$")]


class ModelConfig(BaseModel):
    """The model to serve."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str = Field(min_length=1)
    """The name that clients use."""
    path: Path | None = None
    """The model's folder. Without `path` and `url`: the tiny model that ships with this package."""
    url: str | None = None
    """The model's folder in a store (docs/models.md)."""

    @property
    def folder(self) -> Path | None:
        """The model's folder on this machine; None for a model from a store."""
        return self.path if self.path is not None or self.url is not None else TINY_MODEL

    @model_validator(mode="after")
    def _one_place(self) -> ModelConfig:
        if self.path is not None and self.url is not None:
            raise ValueError("give at most one of path and url")
        return self


class WorkerConfig(BaseModel):
    """The worker's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    worker_id: str = Field(min_length=1)
    """Name of the worker, unique among all workers. `NOVACRON_WORKER_ID` may give it in place of the file."""
    host: str = "127.0.0.1"
    """Address to listen on, and where coordinators reach the worker. `NOVACRON_HOST` may give it."""
    port: int = Field(ge=0, le=65535)
    """Port where coordinators send requests."""
    coordinator: HostAndPort | Annotated[tuple[HostAndPort, ...], Field(min_length=1)]
    """`host:port` of the coordinators' gRPC, one or several.

    The worker registers with every address that each name resolves to, and follows changes.
    """
    cluster_tls: ClusterTlsConfig | None = None
    """TLS to and from coordinators. None: no encryption, for loopback and encrypted networks (docs/coordinator.md)."""
    model: ModelConfig
    engine: EngineConfig = PyTorchConfig()
    """The engine and its settings; `kind` selects the engine."""
    performance_profile: PerformanceProfile = PerformanceProfile.BALANCED
    """The goal that the engine's settings are optimised for. Models can be loaded onto the workers of one profile."""
    role: WorkerRole = WorkerRole.BOTH
    """Prefill, decode, or both (docs/tensorrt-llm.md)."""
    model_cache: Path = Path("~/.cache/novacron/models")
    """Folder for models downloaded from stores."""
    store_mounts: dict[str, Path] = {}
    """Mount points of file systems, by URL prefix (`efs://` or `nfs://`)."""
    loader: LoaderConfig = LoaderConfig()
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    """Size limit for request bodies."""
    drain_s: int = Field(default=30, ge=0)
    """How long to wait for requests in flight, before the worker exits or switches to another model."""

    @property
    def coordinators(self) -> tuple[str, ...]:
        """The coordinators' names as `host:port`."""
        return (self.coordinator,) if isinstance(self.coordinator, str) else self.coordinator

    @model_validator(mode="after")
    def _role_fits_engine(self) -> WorkerConfig:
        role, engine = self.role, self.engine
        if role is WorkerRole.BOTH:
            return self
        if not isinstance(engine, TensorRtLlmConfig):
            raise ValueError(
                f"role {role.value} needs engine.kind tensorrt-llm: {engine.kind} cannot transfer its cache; "
                "use role both"
            )
        if engine.disaggregation is None:
            raise ValueError(
                f"role {role.value} needs engine.disaggregation, which transfers the key-value cache; set it"
            )
        if engine.lora is not None:
            raise ValueError(
                f"role {role.value} cannot be combined with engine.lora: TensorRT-LLM has not tested them together; "
                "use role both, or remove the adapters"
            )
        if role is WorkerRole.PREFILL and engine.overlap_scheduler:
            raise ValueError(
                "role prefill needs engine.overlap_scheduler false: TensorRT-LLM does not support prefill only with it"
            )
        if role is WorkerRole.PREFILL and engine.disaggregation.transfer_timeout_s is None:
            raise ValueError(
                "role prefill needs engine.disaggregation.transfer_timeout_s: a cache that no worker fetches would be "
                "kept forever"
            )
        return self
