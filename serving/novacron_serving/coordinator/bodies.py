"""What the coordinator answers itself, as JSON. The types of what is built elsewhere, and of its schemas."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from novacron_serving.protocol.openai.answers import ModelBody


class Alive(TypedDict):
    """`/health`."""

    status: Literal["ok"]


class Ready(TypedDict):
    """`/ready`."""

    ready: bool
    draining: bool
    active_workers: int
    minimum_workers: int
    degraded: dict[str, str]
    """What cannot be asked at the moment, and why; by name."""


class ClusterBody(TypedDict):
    """The cluster as a whole."""

    total_workers: int
    active_workers: int
    minimum_workers: int
    requests_in_flight: int
    requests_waiting: int
    up_s: float


class NextModel(TypedDict):
    """What a worker was told to serve and does not yet, or could not."""

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
    """Why TLS with it fails."""


class ClusterStatus(TypedDict):
    """`/api/v1/llm/cluster/status`."""

    cluster: ClusterBody
    workers: list[WorkerBody]


class ServedModels(TypedDict):
    """`/v1/models`."""

    object: Literal["list"]
    data: list[ModelBody]


class KnownModel(ModelBody):
    """A model that is served or registered; of the latter, what is registered."""

    status: Literal["loaded", "loading", "registered"]
    worker_count: int
    store_url: NotRequired[str]
    digest: NotRequired[str]
    quantization: NotRequired[str | None]
    quality: NotRequired[float | None]


class KnownModels(TypedDict):
    """`/api/v1/llm/models`."""

    object: Literal["list"]
    data: list[KnownModel]


class Loading(TypedDict):
    """What a load comes to."""

    model: str
    status: Literal["loaded", "loading"]
    worker_count: int
    """Workers that serve it now."""
    loading: NotRequired[list[str]]
    """Workers that load it."""


class Unloading(TypedDict):
    """What an unload comes to."""

    model: str
    status: Literal["unloading"]
    workers: list[str]


class KeyBody(TypedDict):
    """An API key, without itself."""

    name: str
    role: str
    priority: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    cache: str


class NewKeyBody(KeyBody):
    """An API key that was just made."""

    key: str
    """The key itself: it is shown this once."""


class KeyBodies(TypedDict):
    """`/api/v1/llm/keys`."""

    object: Literal["list"]
    data: list[KeyBody]
