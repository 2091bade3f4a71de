"""What a coordinator is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.cluster_tls import ClusterTlsConfig
from novacron_serving.coordinator.access import ApiKey
from novacron_serving.coordinator.cache import CacheConfig
from novacron_serving.coordinator.routing import RoutingPolicy


class TlsConfig(BaseModel):
    """A certificate, read again when its file changes: it is renewed without a restart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Path
    """PEM, with what it is signed by."""
    key: Path


class CoordinatorConfig(BaseModel):
    """The coordinator's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    grpc_port: int = Field(default=9090, ge=0, le=65535)
    tls: TlsConfig | None = None
    """None: HTTP, which is for loopback, or behind something that ends TLS."""
    cluster_tls: ClusterTlsConfig | None = None
    """With workers, which then need it too; None: not encrypted, for loopback and networks that are."""
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins, such as https://chat.example.com, may ask from a browser; `*`: all pages."""
    minimum_workers: int = Field(default=1, ge=0)
    """How many workers make the coordinator ready."""
    report_interval_s: float = Field(default=1.0, gt=0)
    lost_after_s: float = Field(default=5.0, gt=0)
    """A worker that has not reported for so long gets no requests."""
    forget_after_s: float = Field(default=600.0, gt=0)
    """After so long it is not listed as lost any more, and its cache is taken to be gone."""
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    routing: RoutingPolicy = RoutingPolicy.PREFIX_AFFINE
    worker_queue: int = Field(default=4, ge=0)
    """Requests that a worker is given beyond those that it generates at once: the next is there when one ends."""
    prefill_from_bytes: int = Field(default=0, ge=0)
    """Of a model with workers that only read prompts: a request with a shorter body is answered whole by one that
    answers, because to hand it over takes longer than to read it."""
    max_requests: int = Field(default=4096, ge=1)
    """Requests under way or waiting at the same time; beyond it the answer is 429."""
    queue_timeout_s: float = Field(default=60.0, gt=0)
    """A request that waited so long for a worker's place is answered with 503."""
    attempts: int = Field(default=3, ge=1)
    """Workers that a request is sent to at most, as long as nothing was answered."""
    api_keys: tuple[ApiKey, ...] = ()
    """Beside those of the database. With no key here and none in NOVACRON_ADMIN_KEY, whoever reaches the coordinator
    may do everything, so it listens on loopback only."""
    database_url: str | None = None
    """`postgresql://…` or `sqlite:///…`, for keys, models, assignments; None: NOVACRON_DATABASE_URL, or no database."""
    redis_url: str | None = None
    """`redis://…` or `rediss://…`, where coordinators share rates; None: NOVACRON_REDIS_URL, or each for itself."""
    minimum_quality: float | None = Field(default=None, ge=0, le=1)
    """A model whose score is lower, or not known, is not loaded; None: any is."""
    store_mounts: dict[str, Path] = {}
    """Where the file systems of `efs://` and `nfs://` URLs are mounted, by the beginning of the URL."""
    cache: CacheConfig | None = None
    """For answers with temperature 0, to keys that ask for it; None: no answer is kept."""
    first_byte_timeout_s: float = Field(default=120.0, gt=0)
    drain_notice_s: float = Field(default=0.0, ge=0)
    """Told to stop, it goes on serving for so long while `/ready` says no: load balancers need time to notice."""
    drain_s: int = Field(default=30, ge=0)
    """After that, streams under way have so long to end."""
