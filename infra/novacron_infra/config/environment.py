"""EnvironmentConfig: what is wanted, typed. Of the platforms, this version describes the local one."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Port = Annotated[int, Field(ge=1, le=65535)]


class Platform(str, Enum):
    """Where an environment runs."""

    LOCAL = "local"


class Device(str, Enum):
    """What the PyTorch engine computes on."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ModelConfig(_Part):
    """The model to serve."""

    id: str = Field(default="novacron-tiny", min_length=1)
    """The name that clients ask for."""
    path: Path | None = None
    """A Hugging Face model folder; the tiny model that ships with NovaCron when left out."""


class CoordinatorConfig(_Part):
    """The process that clients talk to."""

    http_port: Port = 8080
    """OpenAI-compatible HTTP API."""
    grpc_port: Port = 9090
    """Where workers register."""


class WorkersConfig(_Part):
    """The processes that hold the model."""

    count: int = Field(default=2, ge=1, le=64)
    base_port: Port = 9091
    """The first worker's port; the others follow it."""
    device: Device = Device.AUTO
    threads: int = Field(default=1, ge=1, le=1024)
    """CPU threads of each worker."""
    start_timeout_s: int = Field(default=120, ge=1, le=3600)
    """How long loading the model may take."""


class EnvironmentConfig(_Part):
    """One environment."""

    platform: Platform
    model: ModelConfig = ModelConfig()
    coordinator: CoordinatorConfig = CoordinatorConfig()
    workers: WorkersConfig = WorkersConfig()

    @model_validator(mode="after")
    def _ports_differ(self) -> EnvironmentConfig:
        taken = {"coordinator.http_port": self.coordinator.http_port, "coordinator.grpc_port": self.coordinator.grpc_port}
        first, last = self.workers.base_port, self.workers.base_port + self.workers.count - 1
        if last > 65535:
            raise ValueError(f"workers.base_port {first} leaves no room for {self.workers.count} workers below 65536")
        if len(set(taken.values())) < len(taken):
            raise ValueError("coordinator.http_port and coordinator.grpc_port must differ")
        for name, port in taken.items():
            if first <= port <= last:
                raise ValueError(f"{name} {port} lies among the workers' ports {first} to {last}; move one of them")
        return self
