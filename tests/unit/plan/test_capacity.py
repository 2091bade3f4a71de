"""Capacity of workers: the node pools, the prices and the fallback that the plan states."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from novacron_infra.aws.capacity import check_pool as check_aws_pool
from novacron_infra.catalog.merging import load_catalog
from novacron_infra.gcp.capacity import check_pool as check_gcp_pool
from novacron_infra.plan import EnvironmentPlan, PlanError, plan_capacity, plan_node_pools, plan_to_json
from novacron_infra.plan.serving import plan_region_serving
from novacron_infra.pools import Capacity, NodePoolShape, Placement
from novacron_ops.plan_report import describe_plan

from tests.unit.config.environments import plan, read_stack
from tests.unit.config.test_capacity import BLOCK, RESERVATION

CHECKS = {"aws": check_aws_pool, "gcp": check_gcp_pool}
AUTOSCALED: dict[str, Any] = {"autoscaling": {}}


def dev(capacity: dict[str, Any], maximum: int = 16) -> dict[str, Any]:
    """Return the stack dev, whose replicas fit a machine, with autoscaling from 1 machine to `maximum` / 8."""
    values = read_stack("dev") | AUTOSCALED
    values["workers"] |= {"count": 8, "minimum": 8, "maximum": maximum, "capacity": capacity}
    return values


def google(capacity: dict[str, Any]) -> dict[str, Any]:
    """Return the first region of prod-gcp, whose replicas span machines."""
    values = copy.deepcopy(read_stack("prod-gcp", "examples/environments"))
    values["regions"] = [values["regions"][0] | {"zones": ["us-central1-b"]}]
    values.pop("traffic", None)
    values["workers"] |= {"capacity": capacity}
    return values


def find_pools(planned: EnvironmentPlan) -> dict[str, NodePoolShape]:
    """Return the pools of the first region. The region's cloud must accept them."""
    region, described = planned.regions[0], planned.config.regions[0]
    found = plan_node_pools(planned, region, described.zones)
    for name, shape in found.items():
        assert CHECKS[region.platform.value](name, shape) == []
    return found


def test_a_reservation_is_named_in_its_zone_and_group() -> None:
    workers = find_pools(plan(dev(RESERVATION | {"placement_group": "research"})))["workers"]
    assert (workers.capacity, workers.zones) == (Capacity.RESERVATION, ("us-west-2a",))
    assert (workers.reservation_id, workers.reservation_placement_group) == ("cr-0123456789abcdef0", "research")
    assert workers.placement is Placement.FROM_RESERVATION


def test_a_fallback_is_a_second_pool_that_starts_without_nodes() -> None:
    pools = find_pools(plan(dev(BLOCK | {"fallback": "on-demand"})))
    workers, overflow = pools["workers"], pools["overflow"]
    assert (workers.capacity, workers.nodes, workers.autoscaled) == (Capacity.CAPACITY_BLOCK, 1, False)
    assert (overflow.capacity, overflow.nodes, overflow.minimum_nodes, overflow.maximum_nodes) == (
        Capacity.ON_DEMAND,
        0,
        0,
        2,
    )
    assert (workers.zones, len(overflow.zones)) == (("us-west-2b",), 3)
    assert overflow.reservation_id is None
    assert (overflow.role, overflow.machine) == (workers.role, workers.machine)


def test_replicas_that_span_machines_have_no_fallback() -> None:
    values = read_stack("staging")
    values["workers"]["capacity"] = RESERVATION | {"fallback": "on-demand"}
    with pytest.raises(PlanError, match=r"workers.capacity.fallback = on-demand: replicas span 2 machines"):
        plan(values)


@pytest.mark.parametrize(
    "capacity",
    [
        {"kind": "flex-start", "max_run_hours": 24},
        {"kind": "queued", "queue": "workers", "max_run_hours": 24},
    ],
)
def test_pods_bring_the_nodes_of_scheduled_capacity(capacity: dict[str, Any]) -> None:
    planned = plan(google(capacity))
    workers = find_pools(planned)["workers"]
    assert (workers.capacity.value, workers.nodes, workers.minimum_nodes) == (capacity["kind"], 0, 0)
    assert (workers.maximum_nodes, workers.placement, workers.longest_run_s) == (32, Placement.NONE, 86_400)
    serving = plan_region_serving(planned, planned.regions[0])
    assert {group.queue for group in serving.workers} == {capacity.get("queue")}


def test_the_placement_and_the_zones_are_those_of_the_configuration() -> None:
    values = dev({"kind": "on-demand", "zones": ["us-west-2b", "us-west-2c"]})
    assert find_pools(plan(values))["workers"].zones == ("us-west-2b", "us-west-2c")
    values["workers"]["capacity"] = {"kind": "on-demand", "zones": ["us-west-2c"], "placement": "cluster"}
    workers = find_pools(plan(values))["workers"]
    assert (workers.zones, workers.placement) == (("us-west-2c",), Placement.CLUSTER)


def test_the_price_of_a_reservation_is_the_one_that_was_paid() -> None:
    listed = plan(dev(RESERVATION))
    paid = plan(dev(RESERVATION | {"usd_per_hour": 30}))
    assert listed.cost.usd_per_hour - paid.cost.usd_per_hour == pytest.approx(55.04 - 30)
    difference = "the difference between the price of the reservation and the on-demand list price"
    assert difference in listed.cost.not_included
    assert difference not in paid.cost.not_included
    assert any("as configured" in line for line in describe_plan(paid))


def test_a_machine_without_a_public_price_has_the_price_that_was_paid() -> None:
    values = dev(BLOCK)
    values["workers"]["machine"] = "p5e.48xlarge"
    assert plan_capacity(plan(values))[0].usd_per_hour is None
    values["workers"]["capacity"] = BLOCK | {"usd_per_hour": 40}
    planned = plan(values)
    assert plan_capacity(planned)[0].usd_per_hour == 40
    assert not any("no public price" in line for line in planned.cost.not_included)


def test_the_plan_states_what_happens_when_machines_are_not_available() -> None:
    def describe(capacity: dict[str, Any]) -> str:
        lines = describe_plan(plan(dev(capacity, maximum=64)))
        begin = lines.index("Capacity of workers")
        return "\n".join(lines[begin : begin + 4])

    assert "pods wait until the cloud has machines again; no other capacity is used" in describe({"kind": "on-demand"})
    spot = describe({"kind": "spot", "fraction": 0.5})
    assert "spot above 1 on demand" in spot
    assert "the 1 on-demand machines stay and serve alone" in spot
    assert "55.04; spot has no public price" in spot
    block = describe(BLOCK | {"fallback": "on-demand"})
    assert "on demand, up to 8" in block
    assert "the block runs from 2026-12-01T11:30:00+00:00 to 2026-12-08T11:30:00+00:00" in block
    assert "adds on-demand machines while pods wait" in block


SPOT = {"kind": "spot", "fraction": 0.5}


def test_the_plan_shows_the_spot_price_of_the_region_with_its_date() -> None:
    planned = plan(google(SPOT))
    (item,) = plan_capacity(planned)
    assert item.spot_price is not None
    assert (item.spot_price.region, item.spot_price.as_of.isoformat()) == ("us-central1", "2026-08-03")
    assert item.usd_per_hour is not None
    assert item.spot_price.usd_per_hour < item.usd_per_hour
    assert any(f"; spot {item.spot_price.usd_per_hour:,.2f} on 2026-08-03" in line for line in describe_plan(planned))
    assert plan_to_json(planned)["capacity"][0]["spot_usd_per_hour_each"] == item.spot_price.usd_per_hour


def test_spot_machines_without_a_public_price_say_so() -> None:
    planned = plan(dev(SPOT))
    assert plan_capacity(planned)[0].spot_price is None
    assert any("; spot has no public price" in line for line in describe_plan(planned))


def test_machines_on_demand_have_no_spot_price() -> None:
    planned = plan(google({"kind": "on-demand"}))
    assert plan_capacity(planned)[0].spot_price is None


def test_every_spot_price_is_below_the_price_on_demand() -> None:
    for item in load_catalog().prices:
        for machine, prices in item.spot_usd_per_hour.items():
            for region, price in prices.items():
                assert price < item.usd_per_hour[machine][region], (machine, region)
