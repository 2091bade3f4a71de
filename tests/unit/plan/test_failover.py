"""How long a failed region keeps its traffic, against published figures."""

from __future__ import annotations

import pytest
from novacron_infra.plan import (
    PlanError,
    calculate_cloud_dns_rto_s,
    calculate_route_53_rto_s,
    calculate_traffic_manager_rto_s,
)


@pytest.mark.parametrize(("interval_s", "failures", "ttl_s", "expected"), [(10, 3, 10, 58), (30, 3, 60, 168)])
def test_the_recovery_time_of_route_53(interval_s: int, failures: int, ttl_s: int, expected: int) -> None:
    assert calculate_route_53_rto_s(interval_s, failures, ttl_s) == expected


def test_the_recovery_time_of_traffic_manager() -> None:
    assert calculate_traffic_manager_rto_s(10, 2, 5, 10) == 45


def test_the_recovery_time_of_cloud_dns() -> None:
    assert calculate_cloud_dns_rto_s(2, 5, 10) == 75


def test_a_probe_interval_that_a_provider_does_not_support_is_rejected() -> None:
    with pytest.raises(PlanError, match="Use 10 or 30"):
        calculate_route_53_rto_s(20, 3, 60)
    with pytest.raises(PlanError, match="Use 10 or 30"):
        calculate_traffic_manager_rto_s(20, 3, 5, 60)
    with pytest.raises(PlanError, match="Use 30 or more"):
        calculate_cloud_dns_rto_s(3, 5, 60, interval_s=10)
