"""What a worker is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from novacron_serving.cluster_tls import ClusterTlsConfig
from novacron_serving.engines.pytorch import PyTorchConfig
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.models import LoaderConfig
from novacron_serving.protocol import PerformanceProfile, WorkerRole

EngineConfig = Annotated[PyTorchConfig | TensorRtLlmConfig, Field(discriminator="kind")]
"""Settings of an engine; `kind` says of which."""
HostAndPort = Annotated[str, Field(pattern=r"^[^:]+:\d+$")]


class ModelConfig(BaseModel):
    """Which model to serve, and under which name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    path: Path | None = None
    """The model's folder; or `url`."""
    url: str | None = None
    """The store that it is published in (docs/models.md)."""

    @model_validator(mode="after")
    def _one_place(self) -> ModelConfig:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        return self


class WorkerConfig(BaseModel):
    """The worker's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    worker_id: str = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    coordinator: HostAndPort | Annotated[tuple[HostAndPort, ...], Field(min_length=1)]
    """`host:port` of the coordinators' gRPC, or several: the worker registers with every address of each name, and
    follows when a name gets others."""
    cluster_tls: ClusterTlsConfig | None = None
    """With coordinators; None: not encrypted, for loopback and networks that are (docs/coordinator.md)."""
    model: ModelConfig
    engine: EngineConfig = PyTorchConfig()
    performance_profile: PerformanceProfile = PerformanceProfile.BALANCED
    """What the settings of its engine were chosen for; told to coordinators, so that models find such workers."""
    role: WorkerRole = WorkerRole.BOTH
    """What it does of a request: read prompts, answer them, or both (docs/tensorrt-llm.md)."""
    model_cache: Path = Path("~/.cache/novacron/models")
    """Where models from stores are kept on this machine."""
    store_mounts: dict[str, Path] = {}
    """Where the file systems of `efs://` and `nfs://` URLs are mounted, by the beginning of the URL."""
    loader: LoaderConfig = LoaderConfig()
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    drain_s: int = Field(default=30, ge=0)

    @property
    def coordinators(self) -> tuple[str, ...]:
        """One `host:port` or more."""
        return (self.coordinator,) if isinstance(self.coordinator, str) else self.coordinator

    @model_validator(mode="after")
    def _role_fits_engine(self) -> WorkerConfig:
        role, engine = self.role, self.engine
        if role is WorkerRole.BOTH:
            return self
        if not isinstance(engine, TensorRtLlmConfig):
            raise ValueError(
                f"role {role.value} needs engine.kind tensorrt-llm: {engine.kind} hands no cache over; use role both"
            )
        if engine.disaggregation is None:
            raise ValueError(f"role {role.value} needs engine.disaggregation, by which a cache is handed over")
        if engine.lora is not None:
            raise ValueError(
                f"role {role.value} does not go with engine.lora: TensorRT-LLM has not tested them together; use role "
                "both, or leave the adapters out"
            )
        if role is WorkerRole.PREFILL and engine.overlap_scheduler:
            raise ValueError("role prefill needs engine.overlap_scheduler false: TensorRT-LLM only reads prompts so")
        if role is WorkerRole.PREFILL and engine.disaggregation.transfer_timeout_s is None:
            raise ValueError(
                "role prefill needs engine.disaggregation.transfer_timeout_s: a cache that nobody fetches would be "
                "kept for ever"
            )
        return self
