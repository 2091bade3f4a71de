"""The types of what `--json` prints. The JSON schemas in the documentation are made from them."""

from __future__ import annotations

from typing import Annotated, Any

from novacron_infra.catalog import Gpu, Machine, Model
from novacron_infra.plan.json_types import PlanJson
from pydantic import Field
from typing_extensions import TypedDict

from novacron_ops.coordinator import Readiness


class ProblemJson(TypedDict):
    """A problem of a stack's configuration."""

    path: str
    value: str | None
    rule: str
    fix: str
    details: list[str]
    is_default: bool


class ProblemsJson(TypedDict):
    """The problems of a stack's configuration: `plan` and `rehearse` print them in place of their result."""

    problems: list[ProblemJson]


class OwnMachinesJson(TypedDict):
    """A valid environment on machines of the user's own, with the values of all keys."""

    platform: str
    environment: dict[str, Any]


class MachinePricesJson(TypedDict):
    """A price list: USD an hour by region."""

    source: str
    as_of: str
    regions: dict[str, float]


class CatalogMachineJson(Machine):
    """A machine of the catalogue. `file` is the project's own file that adds it, null for NovaCron's."""

    usd_per_hour: list[MachinePricesJson]
    offered_in: list[str]
    unsupported: Annotated[str | None, Field(serialization_alias="unsupported_because")]
    """Another name here, because `Machine` has a property with the key's."""
    file: str | None


class CatalogGpuJson(Gpu):
    """A GPU model of the catalogue."""

    file: str | None


class CatalogModelJson(Model):
    """A model of the catalogue."""

    file: str | None


class OwnFilesJson(TypedDict):
    """The output of `catalog check`: the project's own files, and the entries in them by file."""

    folder: str | None
    files: list[str]
    entries: dict[str, str]
    problems: list[ProblemJson]


class ServiceJson(TypedDict):
    """A process of a local stack."""

    name: str
    status: str
    pid: int | None
    restarts: int
    up_s: float | None


class PodJson(TypedDict):
    """A pod of the serving stack."""

    namespace: str
    name: str
    status: str
    node: str
    restarts: int
    up_s: float | None


class ClusterJson(TypedDict):
    """A cluster of the stack. `unreachable` says why nothing is known about it; empty if it answered."""

    name: str
    unreachable: str
    pods: list[PodJson]
    problems: list[str]


class StatusJson(TypedDict):
    """The output of `status`. `ready` and `cluster` are the coordinator's own, null if it did not answer."""

    stack: str
    healthy: bool
    problems: list[str]
    outputs: dict[str, Any]
    services: list[ServiceJson]
    clusters: list[ClusterJson]
    ready: Readiness | None
    cluster: dict[str, Any] | None


class PeakMemoryJson(TypedDict):
    """Peak memory of a rehearsal in MiB."""

    own_process: int
    largest_child: int


class SlowTypeJson(TypedDict):
    """A type of resource, and how long its provider waits before it gives up."""

    type: str
    count: int
    limit_min: float
    source: str


class ChainLinkJson(TypedDict):
    """A resource of the longest chain of dependencies."""

    name: str
    type: str
    limit_min: float


class SlowToCreateJson(TypedDict):
    """Timeouts of the providers, in minutes."""

    read: str
    types: list[SlowTypeJson]
    longest_chain: list[ChainLinkJson]
    longest_chain_limit_min: float
    without_limits: list[str]


class PolicyPackJson(TypedDict):
    """A policy pack, and whether it checked every resource."""

    pack: str
    state: str
    reason: str


class ViolationJson(TypedDict):
    """A violation of a policy. `urn` is empty for one of the whole stack."""

    policy: str
    mandatory: bool
    urn: str
    message: str


class DataLossJson(TypedDict):
    """A resource that holds data, and that a change replaces or deletes."""

    urn: str
    change: str
    what: str
    loss: str
    way_round: str


class RehearsalJson(TypedDict):
    """The output of `rehearse`. `data_losses` is empty without `--against`.

    `regions` counts simulated resources by service; `plan` is null without a plan.
    """

    simulated: bool
    stack: str
    succeeded: bool
    errors: str
    resources: int
    duration_s: float
    peak_memory_mib: PeakMemoryJson
    regions: dict[str, dict[str, int]]
    slow_to_create: SlowToCreateJson
    policy_packs: int
    policies: list[PolicyPackJson]
    violations: list[ViolationJson]
    data_losses: list[DataLossJson]
    plan: PlanJson | None


class ChartJson(TypedDict):
    """A Helm chart to install."""

    wave: int
    release: str
    namespace: str
    repository: str
    chart: str
    version: str
    values: dict[str, Any]


class SecretJson(TypedDict):
    """A Secret that the user creates, with the command."""

    namespace: str
    name: str
    keys: list[str]
    command: str


class RenderedClusterJson(TypedDict):
    """The rendered objects of a cluster."""

    name: str
    objects: int
    charts: list[ChartJson]
    secrets: list[SecretJson]


class RenderJson(TypedDict):
    """The output of `render`: numbers of files, the clusters, and resources that changed since the last `up`."""

    stack: str
    output: str
    layout: str
    written: int
    unchanged: int
    removed: int
    clusters: list[RenderedClusterJson]
    outdated: list[str]


class RenderProblemsJson(TypedDict):
    """Why `render` wrote nothing."""

    problems: list[str]
