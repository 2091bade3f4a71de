"""The node pools of the project's stacks, and that the clouds' components accept them."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.aws.capacity import check_pool
from novacron_infra.catalog import FabricKind
from novacron_infra.plan import plan_node_pools
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

from tests.unit.config.environments import STORAGE_NODES, plan, read_stack


def pools(description: dict[str, Any]) -> dict[str, dict[str, NodePoolShape]]:
    planned = plan(description)
    return {
        region.name: plan_node_pools(planned, region, tuple(region.name + zone for zone in "abc"))
        for region in planned.regions
    }


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_aws_accepts_every_pool_of_the_stacks(stack: str) -> None:
    for region, found in pools(read_stack(stack)).items():
        for role, shape in found.items():
            assert check_pool(role, shape) == [], (region, role)


def test_pools_on_google_cloud_are_equal_in_each_zone() -> None:
    values = read_stack("prod-gcp", "examples/environments") | {
        "storage": STORAGE_NODES | {"machine": "c2-standard-30"}
    }
    spread = {
        region: {role: (shape.nodes, len(shape.zones)) for role, shape in found.items()}
        for region, found in pools(values).items()
    }
    assert {region: found["storage"] for region, found in spread.items()} == {
        "us-central1": (6, 3),
        "us-east4": (5, 1),
        "europe-west4": (3, 3),
        "asia-southeast1": (2, 2),
    }
    assert {found["coordinators"] for found in spread.values()} == {(3, 3)}


def test_the_node_pools_of_prod() -> None:
    found = pools(read_stack("prod") | {"storage": STORAGE_NODES})
    assert [shapes["workers"].nodes for shapes in found.values()] == [6, 5, 3, 2]
    assert sum(shapes["storage"].nodes for shapes in found.values()) == 16
    west = found["us-west-2"]
    assert {role: shape.role for role, shape in west.items()} == {
        "coordinators": NodeRole.COORDINATOR,
        "workers": NodeRole.WORKER,
        "storage": NodeRole.STORAGE,
    }
    assert (west["coordinators"].nodes, len(west["coordinators"].zones)) == (3, 3)
    workers = west["workers"]
    assert (workers.minimum_nodes, workers.nodes, workers.maximum_nodes) == (3, 6, 13)
    assert workers.capacity is Capacity.ON_DEMAND


def test_workers_whose_replicas_span_nodes_are_placed_close_together() -> None:
    workers = pools(read_stack("staging"))["us-west-2"]["workers"]
    assert (workers.nodes_per_replica, workers.fabric, workers.placement) == (2, FabricKind.EFA, Placement.CLUSTER)
    assert workers.zones == ("us-west-2a",)


def test_workers_whose_replicas_fit_a_node_use_all_zones() -> None:
    found = pools(read_stack("dev"))["us-west-2"]
    workers = found["workers"]
    assert (workers.fabric, workers.placement, len(workers.zones)) == (None, Placement.NONE, 3)
    assert not workers.autoscaled
    assert "storage" not in found


@pytest.mark.parametrize(
    ("fraction", "capacity", "on_demand"),
    [
        (0.05, Capacity.ON_DEMAND, None),
        (0.5, Capacity.SPOT, 5),
        (0.7, Capacity.SPOT, 3),
    ],
)
def test_spot_nodes_keep_to_the_spot_fraction(fraction: float, capacity: Capacity, on_demand: int | None) -> None:
    description = read_stack("prod")
    description["workers"]["capacity"] = {"kind": "spot", "fraction": fraction}
    workers = pools(description)["us-east-1"]["workers"]
    assert (workers.maximum_nodes, workers.capacity, workers.on_demand_nodes) == (10, capacity, on_demand)
    assert check_pool("workers", workers) == []
