"""JSON bodies of the responses that the coordinator itself creates. The OpenAPI document is made from them too."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from novacron_serving.protocol.openai.responses import ModelBody


class Alive(TypedDict):
    """Response of `/health`."""

    status: Literal["ok"]


class Ready(TypedDict):
    """Response of `/ready`."""

    ready: bool
    """Whether this coordinator accepts requests: it has waited for the minimum of workers, and is not draining."""
    draining: bool
    active_workers: int
    minimum_workers: int
    degraded: dict[str, str]
    """Services that are unavailable (`database`, `redis`), and too few `workers`, each with the reason."""


class ClusterBody(TypedDict):
    """The cluster as a whole."""

    total_workers: int
    active_workers: int
    minimum_workers: int
    requests_in_flight: int
    requests_waiting: int
    up_s: float


class NextModel(TypedDict):
    """The model that a worker is loading, or could not load."""

    model: str
    state: Literal["loading", "failed"]
    reason: str


class WorkerBody(TypedDict):
    """One worker."""

    worker_id: str
    status: str
    address: str
    model: str
    adapters: list[str]
    role: str
    performance_profile: str
    next_model: NextModel | None
    engine: str
    requests_in_flight: int
    served_requests: int
    max_concurrent_requests: int
    max_context_tokens: int
    kv_cache_utilization: float
    last_seen_s: float
    distrust: str | None
    """Why TLS with the worker fails."""


class ClusterStatus(TypedDict):
    """Response of `/api/v1/llm/cluster/status`."""

    cluster: ClusterBody
    workers: list[WorkerBody]


class ServedModels(TypedDict):
    """Response of `/v1/models`."""

    object: Literal["list"]
    data: list[ModelBody]


class KnownModel(ModelBody):
    """A model that is served or registered. The optional fields are those of the registry."""

    status: Literal["loaded", "loading", "registered"]
    worker_count: int
    store_url: NotRequired[str]
    digest: NotRequired[str]
    quantization: NotRequired[str | None]
    quality: NotRequired[float | None]


class KnownModels(TypedDict):
    """Response of `/api/v1/llm/models`."""

    object: Literal["list"]
    data: list[KnownModel]


class Loading(TypedDict):
    """Result of loading a model."""

    model: str
    status: Literal["loaded", "loading"]
    worker_count: int
    """Workers that serve the model now."""
    loading: NotRequired[list[str]]
    """Ids of the workers that are loading it."""


class Unloading(TypedDict):
    """Result of unloading a model."""

    model: str
    status: Literal["unloading"]
    workers: list[str]


class KeyBody(TypedDict):
    """An API key, without the key itself."""

    name: str
    role: str
    priority: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    cache: str


class NewKeyBody(KeyBody):
    """A new API key."""

    key: str
    """The key itself, which is shown only once."""


class KeyBodies(TypedDict):
    """Response of `/api/v1/llm/keys`."""

    object: Literal["list"]
    data: list[KeyBody]
