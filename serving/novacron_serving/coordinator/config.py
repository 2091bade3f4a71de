"""What a coordinator is told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CoordinatorConfig(BaseModel):
    """The coordinator's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    grpc_port: int = Field(default=9090, ge=0, le=65535)
    minimum_workers: int = Field(default=1, ge=0)
    """How many workers make the coordinator ready."""
    report_interval_s: float = Field(default=1.0, gt=0)
    lost_after_s: float = Field(default=5.0, gt=0)
    """A worker that has not reported for so long gets no requests."""
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    max_requests: int = Field(default=256, ge=1)
    """Requests under way at the same time; beyond it the answer is 429."""
    first_byte_timeout_s: float = Field(default=120.0, gt=0)
    drain_s: int = Field(default=30, ge=0)
