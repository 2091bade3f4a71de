"""Coordinator configuration."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.cluster_tls import ClusterTlsConfig
from novacron_serving.coordinator.cache.response_cache import CacheConfig
from novacron_serving.coordinator.limits.authentication import ApiKey
from novacron_serving.coordinator.redis_client import RedisConfig


class RoutingPolicy(str, Enum):
    """Policies to choose a worker."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    PREFIX_AFFINE = "prefix_affine"


class TlsConfig(BaseModel):
    """The server certificate. It is reloaded when its file changes, so that a renewal needs no restart."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    certificate: Path
    """PEM file with the certificate and its intermediate certificates."""
    key: Path
    """PEM file with the private key."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the API with TLS; `http_port` then stays plain, for probes and clients of the same network.

    None: `http_port` has TLS.
    """


class CoordinatorConfig(BaseModel):
    """The coordinator's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on. `NOVACRON_HOST` may give it in place of the file."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API."""
    grpc_port: int = Field(default=9090, ge=0, le=65535)
    """Port where workers register."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of `/metrics`, without TLS, for networks that let only Prometheus reach it. None: `http_port`."""
    tls: TlsConfig | None = None
    """TLS of the API. None: plain HTTP, for loopback or behind a proxy that terminates TLS."""
    cluster_tls: ClusterTlsConfig | None = None
    """TLS between coordinators and workers; all of them need it.

    None: plain text, for loopback or networks that encrypt.
    """
    allowed_hosts: tuple[str, ...] = ()
    """Names that the `Host` header may have, in addition to loopback names and the coordinator's own address.

    `*.example.com` covers all names below example.com, and `*` every name. Empty: `Host` is checked only while no API
    keys are configured.
    """
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the API, such as https://chat.example.com; `*`: every page."""
    minimum_workers: int = Field(default=1, ge=0)
    """Active workers that a new coordinator waits for before it is ready. With fewer later on it is degraded."""
    workers_timeout_s: float | None = Field(default=None, ge=0)
    """Seconds that a new coordinator waits for them at most. It is then ready and degraded. None: without limit."""
    workers_name: str | None = None
    """DNS name of all workers, such as a headless Service. While it has no address, a new coordinator does not wait."""
    report_interval_s: float = Field(default=1.0, gt=0)
    """Interval of the workers' reports."""
    lost_after_s: float = Field(default=5.0, gt=0)
    """A worker without a report for this long gets no requests."""
    forget_after_s: float = Field(default=600.0, gt=0)
    """A worker without a report for this long is removed, and its KV cache counts as lost."""
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    """Size limit for request bodies."""
    routing: RoutingPolicy = RoutingPolicy.PREFIX_AFFINE
    """Policy that chooses the worker for a request."""
    worker_queue: int = Field(default=4, ge=0)
    """Requests sent to a worker in excess of its concurrent ones, so that it can start the next one at once."""
    prefill_from_bytes: int = Field(default=0, ge=0)
    """Size of the request body from which a request is disaggregated, if the model has prefill workers.

    For short prompts, the KV transfer takes longer than reading the prompt.
    """
    max_requests: int = Field(default=4096, ge=1)
    """Requests in flight, including queued ones. Beyond this limit the response is 429."""
    queue_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time in the queue. After that the response is 503."""
    attempts: int = Field(default=3, ge=1)
    """Most workers that a request is sent to. It is retried only until the response begins."""
    api_keys: tuple[ApiKey, ...] = ()
    """API keys, in addition to those in the database.

    If there are none here and NOVACRON_ADMIN_KEY is not set, clients need no key, and the coordinator listens on
    loopback only.
    """
    database_url: str | None = None
    """`postgresql://…` or `sqlite:///…`, for API keys, models and assignments.

    None: NOVACRON_DATABASE_URL, or no database.
    """
    database_password_file: Path | None = None
    """File with the password of `database_url`, which is read for every new connection.

    A rotated password needs no restart. None: the URL's password.
    """
    redis_url: str | None = None
    """`redis://…` or `rediss://…`, for rate limits across coordinators.

    None: NOVACRON_REDIS_URL, or each coordinator has its own limits.
    """
    redis: RedisConfig = RedisConfig()
    minimum_quality: float | None = Field(default=None, ge=0, le=1)
    """Models with a lower or unknown quality score are not loaded. None: every model is loaded."""
    store_mounts: dict[str, Path] = {}
    """Mount points of the file systems of `efs://` and `nfs://` URLs, by URL prefix."""
    cache: CacheConfig | None = None
    """Response cache for requests with temperature 0, used by API keys that opt in. None: no cache."""
    first_byte_timeout_s: float = Field(default=120.0, gt=0)
    """Longest time until a worker's response begins. After that the response is 504."""
    stream_idle_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time between two pieces of a worker's response. After that the response ends with an error event."""
    drain_notice_s: float = Field(default=0.0, ge=0)
    """Seconds to keep serving after SIGTERM while `/ready` returns 503, so that load balancers notice."""
    drain_s: int = Field(default=30, ge=0)
    """Seconds after that in which streams in flight may end."""
