"""Settings of coordinators and of the PyTorch engine that `platform: local` and `platform: kubernetes` share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Fraction, Section, TextPattern

ServedName = Annotated[
    str,
    TextPattern(
        r"(?=.{1,128}$)[A-Za-z0-9][A-Za-z0-9._:/-]*",
        "the name of a model has up to 128 letters, digits and any of . _ : / -, and starts with a letter or digit",
        "llama-3.1-8b",
    ),
]
AllowedHost = Annotated[
    str,
    TextPattern(
        r"\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?",
        "a host is a name or an address without a scheme and a port; *.example.com covers all names below example.com",
        "llm.example.com",
    ),
]
Origin = Annotated[
    str,
    TextPattern(
        r"\*|https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?",
        "an origin is http:// or https:// and a host, without a path and a slash at the end",
        "https://chat.example.com",
    ),
]


class Device(str, Enum):
    """The device that the PyTorch engine computes on."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class PyTorchQuantization(str, Enum):
    """How the PyTorch engine quantises the weights."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"


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
    """Size on the coordinator's disk, in MiB; 0: none on disk."""
    ttl_s: int = Field(default=3600, ge=1)
    """Time to live of a cached response, in seconds."""


class CoordinatorSettings(Section):
    """The settings that a coordinator has on any of these platforms."""

    routing: Routing = Routing.PREFIX_AFFINE
    """prefix_affine: the worker with the longest cached prefix of the prompt, unless it is overloaded."""
    max_requests: int = Field(default=4096, ge=1, le=1_000_000)
    """Requests in flight or waiting at the same time; the coordinator answers further ones with 429."""
    queue_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds that a request waits for a worker before the coordinator answers it with 503."""
    allowed_hosts: tuple[AllowedHost, ...] = ()
    """Names that clients may use in addition to localhost, such as a reverse proxy's.

    The `Host` header is checked while clients need no API key, or if this is set.
    """
    cors_origins: tuple[Origin, ...] = ()
    """Origins of web pages that may use the API: `http://localhost:3000`, for example."""
    response_cache: ResponseCache | None = None
    """None: no response is cached."""
    minimum_quality: Fraction | None = None
    """The lowest quality score that a registered model needs to be loaded. None: any model may be loaded.

    A model without a score is not loaded, unless this is None.
    """


class PyTorchSettings(Section):
    """The PyTorch engine of each worker."""

    device: Device = Device.AUTO
    threads: int = Field(default=1, ge=1, le=1024)
    """CPU threads of each worker."""
    start_timeout_s: int = Field(default=120, ge=1, le=3600)
    """Seconds that a worker may take to load the model."""
