"""What happens when a region dies: how long its traffic stays lost, and whether the others can carry it.

Formulas are arithmetic from the providers' documented probe intervals and timeouts, mid-2026. How fast a provider
publishes a change is not bounded by any of them: measure it in a drill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novacron_infra.config import Platform, Traffic
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.problems import problem
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.regions import RegionPlan

ROUTE_53_TIMEOUT_S = 6
"""4 s to connect and 2 s for the status; it cannot be set."""
CLOUD_DNS_MINIMUM_INTERVAL_S = 30
DEFAULT_TIMEOUT_S = 5

_INTERVAL = "traffic.health_check.interval_s"


@dataclass(frozen=True)
class RegionLoss:
    """One region dies. Loads are fractions of what the workers at the start can serve."""

    region: str
    traffic_fraction: float
    """The part of all traffic that moves to the others, in proportion to their weights."""
    safe_load_fraction: float
    """The highest load of the environment before, with which no survivor gets more than it can serve."""
    fullest_region: str
    """The survivor that fills first."""
    load_after_fraction: float | None
    """Load of that survivor when the environment was at autoscaling's scale-up threshold; None: no autoscaling."""
    load_at_maximum_fraction: float | None
    """The highest load of a survivor then, once all of them have their maximum of workers."""


@dataclass(frozen=True)
class Recovery:
    """How long a dead region keeps its traffic."""

    service: str
    """What answers DNS queries and probes the regions."""
    rto_s: int
    """Until clients have left a dead region: detection, and the answers that resolvers keep."""
    arithmetic: str


def plan_recovery(config: CloudEnvironment) -> Recovery | None:
    """How long a dead region keeps its traffic; None: there is no other.

    Raises:
        PlanError: the provider has no such probe, or it takes longer than `traffic.rto_target_s`.
    """
    if config.traffic is None or len(config.regions) < 2:
        return None
    return check_recovery(config.platform, config.traffic)


def check_recovery(platform: Platform, traffic: Traffic) -> Recovery:
    """`estimate_recovery`, held against `traffic.rto_target_s`.

    Raises:
        PlanError: the provider has no such probe, or it takes longer than the target.
    """
    recovery = estimate_recovery(platform, traffic)
    target_s = traffic.rto_target_s
    if target_s is not None and recovery.rto_s > target_s:
        rule = f"a dead region keeps its traffic for {recovery.rto_s} s"
        fix = "Lower traffic.ttl_s, health_check.interval_s or failure_threshold, or raise the target"
        details = [f"{recovery.service}: {recovery.arithmetic}"]
        raise PlanError([problem("traffic.rto_target_s", target_s, rule, fix, details)])
    return recovery


def estimate_recovery(platform: Platform, traffic: Traffic) -> Recovery:
    """How long a dead region keeps its traffic with the DNS service of `platform`.

    Raises:
        PlanError: the service has no such probe.
    """
    check, ttl_s = traffic.health_check, traffic.ttl_s
    interval_s, failures, timeout_s = check.interval_s, check.failure_threshold, check.timeout_s or DEFAULT_TIMEOUT_S
    if platform is Platform.AWS:
        rto_s = route_53_rto_s(interval_s, failures, ttl_s)
        return Recovery("Route 53", rto_s, f"{failures} × ({interval_s} + {ROUTE_53_TIMEOUT_S}) + {ttl_s} = {rto_s} s")
    if platform is Platform.GCP:
        rto_s = cloud_dns_rto_s(failures, timeout_s, ttl_s, interval_s)
        return Recovery("Cloud DNS", rto_s, f"{failures} × {interval_s} + {timeout_s} + {ttl_s} = {rto_s} s")
    # The last failure of the threshold is the first that is not tolerated.
    tolerated = failures - 1
    rto_s = traffic_manager_rto_s(interval_s, tolerated, timeout_s, ttl_s)
    sum_ = f"{interval_s} + {tolerated} × {interval_s} + {timeout_s} + {ttl_s} = {rto_s} s"
    return Recovery("Traffic Manager", rto_s, sum_)


def plan_losses(config: CloudEnvironment, regions: Sequence[RegionPlan]) -> tuple[RegionLoss, ...]:
    """What the death of each region means for the others; none where there are no others."""
    threshold = config.autoscaling.scale_up.utilization_fraction if config.autoscaling else None
    return tuple(
        _loss(dead, [item for item in regions if item is not dead], regions, threshold)
        for dead in regions
        if len(regions) > 1
    )


def route_53_rto_s(interval_s: int, failures: int, ttl_s: int) -> int:
    """Failures × (interval + timeout) + TTL. Raises PlanError where Route 53 has no such interval."""
    if interval_s not in (10, 30):
        raise PlanError([problem(_INTERVAL, interval_s, "Route 53 checks every 10 or 30 s", "Use 10 or 30")])
    return failures * (interval_s + ROUTE_53_TIMEOUT_S) + ttl_s


def traffic_manager_rto_s(interval_s: int, tolerated_failures: int, timeout_s: int, ttl_s: int) -> int:
    """Interval + tolerated failures × interval + timeout + TTL. Raises PlanError where Azure has no such interval."""
    if interval_s not in (10, 30):
        raise PlanError([problem(_INTERVAL, interval_s, "Traffic Manager checks every 10 or 30 s", "Use 10 or 30")])
    return interval_s + tolerated_failures * interval_s + timeout_s + ttl_s


def cloud_dns_rto_s(failures: int, timeout_s: int, ttl_s: int, interval_s: int = CLOUD_DNS_MINIMUM_INTERVAL_S) -> int:
    """Failures × interval + timeout + TTL. Raises PlanError below the 30 s that three source regions force."""
    if interval_s < CLOUD_DNS_MINIMUM_INTERVAL_S:
        raise PlanError([problem(_INTERVAL, interval_s, "public Cloud DNS zones need 30 s or more", "Use 30 or more")])
    return failures * interval_s + timeout_s + ttl_s


def _loss(
    dead: RegionPlan, survivors: Sequence[RegionPlan], regions: Sequence[RegionPlan], threshold: float | None
) -> RegionLoss:
    weights = sum(region.weight for region in survivors)
    workers = sum(region.workers.count for region in regions)

    def load(region: RegionPlan, workers_then: int) -> float:
        """Its load when the environment was at 100% of the workers at the start."""
        traffic = region.weight / weights if weights else 1 / len(survivors)
        return traffic * workers / workers_then

    fullest = max(survivors, key=lambda region: load(region, region.workers.count))
    highest = load(fullest, fullest.workers.count)
    at_maximum = max(load(region, region.workers.maximum) for region in survivors)
    return RegionLoss(
        region=dead.name,
        traffic_fraction=dead.traffic_fraction,
        safe_load_fraction=min(1.0, 1 / highest),
        fullest_region=fullest.name,
        load_after_fraction=None if threshold is None else threshold * highest,
        load_at_maximum_fraction=None if threshold is None else threshold * at_maximum,
    )
