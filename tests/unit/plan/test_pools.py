"""The node pools of the project's stacks: what the clouds' components get, and that none refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.aws.capacity import pool_problems
from novacron_infra.catalog import FabricKind
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.plan import node_pools, plan_environment
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

ROOT = Path(__file__).parents[3]


def described(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]["novacron:environment"]


def pools(description: dict[str, Any]) -> dict[str, dict[str, NodePoolShape]]:
    config = load(description)
    assert isinstance(config, CloudEnvironment)
    plan = plan_environment(config)
    return {
        region.name: node_pools(plan, region, tuple(region.name + zone for zone in "abc")) for region in plan.regions
    }


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_amazon_refuses_no_pool_of_a_stack(stack: str) -> None:
    for region, found in pools(described(stack)).items():
        for role, shape in found.items():
            assert pool_problems(role, shape) == [], (region, role)


def test_google_gets_pools_that_are_equal_in_each_zone() -> None:
    path = ROOT / "examples" / "environments" / "Pulumi.prod-gcp.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]["novacron:environment"]
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


def test_the_pools_of_prod() -> None:
    found = pools(described("prod"))
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


def test_replicas_that_span_nodes_are_close_together() -> None:
    workers = pools(described("staging"))["us-west-2"]["workers"]
    assert (workers.nodes_per_replica, workers.fabric, workers.placement) == (2, FabricKind.EFA, Placement.CLUSTER)
    assert workers.zones == ("us-west-2a",)


def test_replicas_of_one_node_may_be_anywhere() -> None:
    found = pools(described("dev"))["us-west-2"]
    workers = found["workers"]
    assert (workers.fabric, workers.placement, len(workers.zones)) == (None, Placement.NONE, 3)
    assert not workers.autoscaled
    assert "storage" not in found


@pytest.mark.parametrize(
    ("fraction", "capacity", "on_demand"),
    [
        (0.0, Capacity.ON_DEMAND, None),
        (0.05, Capacity.ON_DEMAND, None),
        (0.5, Capacity.SPOT, 5),
        (0.7, Capacity.SPOT, 3),
    ],
)
def test_spot_never_exceeds_its_fraction(fraction: float, capacity: Capacity, on_demand: int | None) -> None:
    description = described("prod")
    description["workers"]["spot_fraction"] = fraction
    workers = pools(description)["us-east-1"]["workers"]
    assert (workers.maximum_nodes, workers.capacity, workers.on_demand_nodes) == (10, capacity, on_demand)
    assert pool_problems("workers", workers) == []
