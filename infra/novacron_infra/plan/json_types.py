"""The types of a plan as JSON values. The JSON schema of `novacron plan --json` is made from them."""

from __future__ import annotations

from typing_extensions import TypedDict


class ProfileJson(TypedDict):
    """The replicas of one profile."""

    name: str
    quantization: str
    weight_format: str
    kv_cache: str
    tensor_parallel: int
    pipeline_parallel: int
    minimum_replicas: int
    replicas: int
    pods: int
    weights_gib_per_gpu: float
    kv_gib_per_gpu: float
    kv_tokens_per_replica: int
    concurrent_sequences_per_replica: int
    replica_weight_gb: float


class WorkersJson(TypedDict):
    """The workers of a region, and their bounds."""

    count: int
    minimum: int
    maximum: int


class QuotaJson(TypedDict):
    """The quota that a region needs."""

    amount: int
    unit: str


class MachineJson(TypedDict):
    """The machines of one role. A price is null where it is not public."""

    role: str
    machine: str
    count: int
    usd_per_hour: float | None
    price_region: str | None
    price_as_of: str | None


class RegionJson(TypedDict):
    """A region. Numbers of replicas are by profile."""

    name: str
    platform: str
    traffic_fraction: float
    workers: WorkersJson
    gpus: int
    nodes: int
    maximum_nodes: int
    quota: QuotaJson
    replicas: dict[str, int]
    minimum_replicas: dict[str, int]
    machines: list[MachineJson]
    usd_per_hour: float


class CapacityJson(TypedDict):
    """How the machines of a region's workers are bought. A price is null where it is not public."""

    region: str
    capacity: str
    machine: str
    zones: list[str]
    nodes: int
    maximum_nodes: int
    on_demand_nodes: int | None
    fallback_nodes: int
    usd_per_hour_each: float | None
    spot_usd_per_hour_each: float | None
    when_unavailable: str


class RecoveryJson(TypedDict):
    """How fast global DNS takes traffic away from a dead region."""

    service: str
    rto_s: float
    rto_target_s: int | None
    arithmetic: str


class RegionFailureJson(TypedDict):
    """The load of the other regions when one fails. Loads are null where no region takes over."""

    region: str
    traffic_fraction: float
    safe_load_fraction: float
    most_loaded_region: str | None
    load_after_fraction: float | None
    load_at_maximum_fraction: float | None


class UnknownOfferJson(TypedDict):
    """A machine of which no list knows whether the region offers it."""

    region: str
    machine: str


class ShortfallJson(TypedDict):
    """Hardware of which a machine has less than requested. `available` is null where no source states it."""

    role: str
    what: str
    available: float | None
    requested: float


class LatencyFloorJson(TypedDict):
    """The latency of a replica of a profile without load, in seconds: no target can be lower."""

    profile: str
    prompt_tokens: int
    prefix_hit_fraction: float
    time_to_first_token_s: float
    inter_token_latency_s: float


class BudgetJson(TypedDict):
    """The budget, and the part of it that the machines at the start cost, as a fraction."""

    usd_per_month: float
    thresholds_percent: list[int]
    used_fraction: float


class PlanJson(TypedDict):
    """A plan. Keys end with their units."""

    environment: str
    platform: str
    model: str
    gpu: str
    gpus: int
    nodes: int
    replicas: int
    pods: int
    kv_tokens: int
    unused_gpus: int
    weights_in_use_gb: float
    load_gb_per_s: float
    profiles: list[ProfileJson]
    regions: list[RegionJson]
    capacity: list[CapacityJson]
    recovery: RecoveryJson | None
    region_failures: list[RegionFailureJson]
    threat_detection: dict[str, str]
    machines: list[MachineJson]
    usd_per_hour: float
    usd_per_month: float
    budget: BudgetJson | None
    latency_floors: list[LatencyFloorJson]
    warnings: list[str]
    unpriced: list[str]
    unknown_offers: list[UnknownOfferJson]
    shortfalls: list[ShortfallJson]
