"""Region failures: how long a failed region keeps its traffic, and whether the other regions can carry it.

The formulas follow the probe intervals and timeouts that the providers documented in mid-2026. No provider states how
fast it publishes a change: measure that in a drill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novacron_infra.config import CloudEnvironment, Platform, Traffic
from novacron_infra.config.problems import problem
from novacron_infra.limits.dns import DEFAULT_TIMEOUT_S
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.regions import RegionPlan

ROUTE_53_TIMEOUT_S = 6
"""4 s to connect and 2 s for the status. It is fixed."""
CLOUD_DNS_MINIMUM_INTERVAL_S = 30
_TWO_INTERVALS = (10, 30)
"""Seconds between two probes of Route 53 and of Traffic Manager."""

_INTERVAL = "traffic.health_check.interval_s"


@dataclass(frozen=True)
class RegionFailure:
    """The consequences of the failure of a region. Loads are fractions of the capacity of the workers at the start."""

    region: str
    traffic_fraction: float
    """Part of all traffic that moves to the other regions, in proportion to their weights."""
    safe_load_fraction: float
    """Highest load of the environment before the failure at which no other region is overloaded after it."""
    most_loaded_region: str
    """The other region that reaches its capacity first."""
    load_after_fraction: float | None
    """Load of that region after the failure, if the environment was at the scale-up threshold before.
    None without autoscaling."""
    load_at_maximum_fraction: float | None
    """Highest load of another region once all of them have their maximum of workers. None without autoscaling."""


@dataclass(frozen=True)
class Recovery:
    """How long a failed region keeps its traffic."""

    service: str
    """The DNS service that probes the regions."""
    rto_s: int
    """Seconds until clients have left a failed region: detection, and the time that resolvers cache answers."""
    arithmetic: str


def plan_recovery(config: CloudEnvironment) -> Recovery | None:
    """Return how long a failed region keeps its traffic, or None when there is only one region.

    Raises:
        PlanError: the DNS service does not support the probe, or the recovery is slower than `traffic.rto_target_s`.
    """
    if config.traffic is None:
        return None
    if len(config.regions) < 2:
        estimate_recovery(config.platform, config.traffic)  # which checks the interval
        return None
    return check_recovery(config.platform, config.traffic)


def check_recovery(platform: Platform, traffic: Traffic) -> Recovery:
    """Return how long a failed region keeps its traffic with the DNS service of `platform`.

    Raises:
        PlanError: the DNS service does not support the probe, or the recovery is slower than `traffic.rto_target_s`.
    """
    recovery = estimate_recovery(platform, traffic)
    target_s = traffic.rto_target_s
    if target_s is not None and recovery.rto_s > target_s:
        rule = f"a failed region keeps its traffic for {recovery.rto_s} s"
        fix = "Lower traffic.ttl_s, health_check.interval_s or failure_threshold, or raise the target"
        details = [f"{recovery.service}: {recovery.arithmetic}"]
        raise PlanError([problem("traffic.rto_target_s", target_s, rule, fix, details)])
    return recovery


def estimate_recovery(platform: Platform, traffic: Traffic) -> Recovery:
    """Return how long a failed region keeps its traffic with the DNS service of `platform`, whatever the target.

    Raises:
        PlanError: the DNS service does not support the probe.
    """
    check, ttl_s = traffic.health_check, traffic.ttl_s
    interval_s, failures, timeout_s = check.interval_s, check.failure_threshold, check.timeout_s or DEFAULT_TIMEOUT_S
    if platform is Platform.AWS:
        rto_s = calculate_route_53_rto_s(interval_s, failures, ttl_s)
        return Recovery("Route 53", rto_s, f"{failures} × ({interval_s} + {ROUTE_53_TIMEOUT_S}) + {ttl_s} = {rto_s} s")
    if platform is Platform.GCP:
        rto_s = calculate_cloud_dns_rto_s(failures, timeout_s, ttl_s, interval_s)
        return Recovery("Cloud DNS", rto_s, f"{failures} × {interval_s} + {timeout_s} + {ttl_s} = {rto_s} s")
    # Traffic Manager counts the failures that it tolerates, which is one less than the threshold.
    tolerated = failures - 1
    rto_s = calculate_traffic_manager_rto_s(interval_s, tolerated, timeout_s, ttl_s)
    sum_ = f"{interval_s} + {tolerated} × {interval_s} + {timeout_s} + {ttl_s} = {rto_s} s"
    return Recovery("Traffic Manager", rto_s, sum_)


def plan_region_failures(config: CloudEnvironment, regions: Sequence[RegionPlan]) -> tuple[RegionFailure, ...]:
    """Return the consequences of the failure of each region; empty when there is only one region."""
    if len(regions) < 2:
        return ()
    threshold = config.autoscaling.scale_up.utilization_fraction if config.autoscaling else None
    return tuple(_plan_failure(failed, regions, threshold) for failed in regions)


def calculate_route_53_rto_s(interval_s: int, failures: int, ttl_s: int) -> int:
    """Return failures × (interval + timeout) + TTL, in seconds.

    Raises:
        PlanError: Route 53 does not support the interval.
    """
    _check_interval("Route 53", interval_s)
    return failures * (interval_s + ROUTE_53_TIMEOUT_S) + ttl_s


def calculate_traffic_manager_rto_s(interval_s: int, tolerated_failures: int, timeout_s: int, ttl_s: int) -> int:
    """Return interval + tolerated failures × interval + timeout + TTL, in seconds.

    Raises:
        PlanError: Traffic Manager does not support the interval.
    """
    _check_interval("Traffic Manager", interval_s)
    return interval_s + tolerated_failures * interval_s + timeout_s + ttl_s


def calculate_cloud_dns_rto_s(
    failures: int, timeout_s: int, ttl_s: int, interval_s: int = CLOUD_DNS_MINIMUM_INTERVAL_S
) -> int:
    """Return failures × interval + timeout + TTL, in seconds.

    Raises:
        PlanError: the interval is below the 30 s that the three source regions of Cloud DNS need.
    """
    if interval_s < CLOUD_DNS_MINIMUM_INTERVAL_S:
        rule = f"Cloud DNS probes every {CLOUD_DNS_MINIMUM_INTERVAL_S} s at most"
        raise PlanError([problem(_INTERVAL, interval_s, rule, f"Use {CLOUD_DNS_MINIMUM_INTERVAL_S} or more")])
    return failures * interval_s + timeout_s + ttl_s


def _check_interval(service: str, interval_s: int) -> None:
    if interval_s not in _TWO_INTERVALS:
        choices = " or ".join(map(str, _TWO_INTERVALS))
        raise PlanError([problem(_INTERVAL, interval_s, f"{service} probes every {choices} s", f"Use {choices}")])


def _plan_failure(failed: RegionPlan, regions: Sequence[RegionPlan], threshold: float | None) -> RegionFailure:
    others = [region for region in regions if region is not failed]
    weights = sum(region.weight for region in others)
    workers = sum(region.workers.count for region in regions)

    def load(region: RegionPlan, workers_then: int) -> float:
        """Return the region's load after the failure if the environment was at 100% of its capacity before."""
        traffic = region.weight / weights if weights else 1 / len(others)
        return traffic * workers / workers_then

    most_loaded = max(others, key=lambda region: load(region, region.workers.count))
    highest = load(most_loaded, most_loaded.workers.count)
    at_maximum = max(load(region, region.workers.maximum) for region in others)
    return RegionFailure(
        region=failed.name,
        traffic_fraction=failed.traffic_fraction,
        safe_load_fraction=min(1.0, 1 / highest),
        most_loaded_region=most_loaded.name,
        load_after_fraction=None if threshold is None else threshold * highest,
        load_at_maximum_fraction=None if threshold is None else threshold * at_maximum,
    )
