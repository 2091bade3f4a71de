"""How long a black-holed region keeps getting traffic. How fast a provider publishes is not bounded: measure it."""

from __future__ import annotations

from novacron_infra.plan.errors import PlanError

ROUTE_53_TIMEOUT_S = 6
"""4 s to connect and 2 s for the status; it cannot be set."""
CLOUD_DNS_MINIMUM_INTERVAL_S = 30


def route_53_rto_s(interval_s: int, failures: int, ttl_s: int) -> int:
    """Failures × (interval + timeout) + TTL. Raises PlanError where Route 53 has no such interval."""
    if interval_s not in (10, 30):
        raise PlanError(f"health_check.interval_s {interval_s}: Route 53 checks every 10 or 30 s; use one of them")
    return failures * (interval_s + ROUTE_53_TIMEOUT_S) + ttl_s


def traffic_manager_rto_s(interval_s: int, tolerated_failures: int, timeout_s: int, ttl_s: int) -> int:
    """Interval + tolerated failures × interval + timeout + TTL. Raises PlanError where Azure has no such interval."""
    if interval_s not in (10, 30):
        raise PlanError(
            f"health_check.interval_s {interval_s}: Traffic Manager checks every 10 or 30 s; use one of them"
        )
    return interval_s + tolerated_failures * interval_s + timeout_s + ttl_s


def cloud_dns_rto_s(failures: int, timeout_s: int, ttl_s: int, interval_s: int = CLOUD_DNS_MINIMUM_INTERVAL_S) -> int:
    """Failures × interval + timeout + TTL. Raises PlanError below the 30 s that three source regions force."""
    if interval_s < CLOUD_DNS_MINIMUM_INTERVAL_S:
        raise PlanError(f"health_check.interval_s {interval_s}: public Cloud DNS zones need 30 or more; use 30")
    return failures * interval_s + timeout_s + ttl_s
