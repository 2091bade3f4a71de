"""Records of the database that all coordinators share, apart from API keys."""

from __future__ import annotations

import uuid

from pydantic import BaseModel, ConfigDict, Field


class RegisteredModel(BaseModel):
    """A model in the registry. Workers can load it from its store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    store_url: str
    digest: str
    """SHA-256 digest over the files of its manifest."""
    quantization: str | None = None
    """Quantization of its weights; None: not quantized."""
    quality: float | None = None
    """Quality score from 0 to 1; None: not measured."""


class Assignment(BaseModel):
    """The model that one worker is to serve."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    worker_id: str
    revision: int
    """Higher than that of every earlier assignment of any worker: roughly the milliseconds since 1970."""
    model_id: str = ""
    """Empty: the model that the worker was started with."""
    store_url: str = ""
    digest: str = ""
    assignment_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
