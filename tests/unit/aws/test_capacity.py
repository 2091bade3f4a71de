"""Rules of EKS node pools: every broken rule with the exact path in its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.aws.capacity import check_pool
from novacron_infra.catalog import FabricKind
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

WORKERS = NodePoolShape(role=NodeRole.WORKER, machine="p5.48xlarge", nodes=4, zones=("us-west-2a",))
EFA = FabricKind.EFA
RESERVED = {"capacity": Capacity.RESERVATION, "reservation_id": "cr-0123456789abcdef0"}
BLOCK = {"capacity": Capacity.CAPACITY_BLOCK, "reservation_id": "cr-0123456789abcdef0"}
TWO_ZONES = ("us-west-2a", "us-west-2b")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"zones": TWO_ZONES},
        {"fabric": EFA},
        {"fabric": EFA, "nodes_per_replica": 2},
        {"placement": Placement.CLUSTER},
        {"fabric": EFA, "placement": Placement.CLUSTER, "capacity": Capacity.SPOT, "on_demand_nodes": 2},
        {"fabric": EFA, **RESERVED},
        {"placement": Placement.FROM_RESERVATION, "reservation_placement_group": "research", **RESERVED},
        {"fabric": EFA, "placement": Placement.FROM_RESERVATION, **BLOCK},
        {"minimum_nodes": 0, "maximum_nodes": 8, "nodes": 0},
        {"role": NodeRole.COORDINATOR, "machine": "c6i.8xlarge", "zones": (*TWO_ZONES, "us-west-2c")},
        {"role": NodeRole.STORAGE, "machine": "i4i.16xlarge"},
    ],
    ids=str,
)
def test_valid_combinations_of_capacity_fabric_and_placement(changes: dict[str, Any]) -> None:
    assert check_pool("workers", replace(WORKERS, **changes)) == []


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown machine": (
        {"machine": "p5.48xlrage"},
        ["workers.machine = p5.48xlrage: the machine must be in the catalogue. Did you mean p5.48xlarge"],
    ),
    "a machine of another cloud": (
        {"machine": "a3-highgpu-8g"},
        ["workers.machine = a3-highgpu-8g: it is a machine of gcp, not aws. Take a machine of aws"],
    ),
    "a worker without GPUs": (
        {"machine": "c6i.8xlarge"},
        ["workers.machine = c6i.8xlarge: workers need GPUs and it has none"],
    ),
    "EFA on a machine without it": (
        {"role": NodeRole.COORDINATOR, "machine": "c6i.8xlarge", "fabric": EFA},
        ["workers.fabric = efa: c6i.8xlarge has no fabric. Remove it"],
    ),
    "another cloud's fabric": (
        {"fabric": FabricKind.ROCE},
        ["workers.fabric = roce: p5.48xlarge has efa. Use efa"],
    ),
    "EFA across zones": (
        {"fabric": EFA, "zones": TWO_ZONES},
        ["workers.zones = us-west-2a, us-west-2b: several zones exclude fabric efa. Name one zone"],
    ),
    "a placement group across zones": (
        {"placement": Placement.CLUSTER, "zones": TWO_ZONES},
        ["workers.zones = us-west-2a, us-west-2b: several zones exclude placement cluster"],
    ),
    "a reservation across zones": (
        {"zones": TWO_ZONES, **RESERVED},
        ["workers.zones = us-west-2a, us-west-2b: several zones exclude capacity reservation"],
    ),
    "a replica across zones and without fabric": (
        {"zones": TWO_ZONES, "nodes_per_replica": 2},
        [
            "workers.fabric = None: a replica of 2 nodes would send tensors over ordinary networking",
            "workers.zones = us-west-2a, us-west-2b: several zones exclude nodes_per_replica 2",
        ],
    ),
    "spot with a reservation": (
        {"capacity": Capacity.SPOT, "on_demand_nodes": 1, "reservation_id": "cr-0123456789abcdef0"},
        ["workers.reservation_id = cr-0123456789abcdef0: capacity spot cannot launch into a reservation"],
    ),
    "on demand with a reservation": (
        {"reservation_id": "cr-0123456789abcdef0"},
        ["workers.reservation_id = cr-0123456789abcdef0: capacity on-demand cannot launch into a reservation"],
    ),
    "a reservation without its id": (
        {"capacity": Capacity.RESERVATION},
        ["workers.reservation_id = None: capacity reservation launches into one. Name the reservation"],
    ),
    "a capacity block without its id": (
        {"capacity": Capacity.CAPACITY_BLOCK},
        ["workers.reservation_id = None: capacity capacity-block launches into one"],
    ),
    "an id that is none": (
        {**RESERVED, "reservation_id": "fr-1"},
        ["workers.reservation_id = fr-1: it is not the id of a reservation. Write it as cr-0123456789abcdef0"],
    ),
    "a placement group with a capacity block": (
        {"placement": Placement.CLUSTER, **BLOCK},
        ["workers.placement = cluster: a capacity-block has a placement of its own, and a second one makes"],
    ),
    "a placement group with a reservation": (
        {"placement": Placement.CLUSTER, **RESERVED},
        ["workers.placement = cluster: a reservation has a placement of its own"],
    ),
    "the placement of no reservation": (
        {"placement": Placement.FROM_RESERVATION},
        ["workers.placement = from-reservation: capacity on-demand has no reservation to take it from"],
    ),
    "a reservation's placement without its group": (
        {"placement": Placement.FROM_RESERVATION, **RESERVED},
        ["workers.reservation_placement_group = None: a reservation in a placement group needs the name"],
    ),
    "a capacity block's group": (
        {"placement": Placement.FROM_RESERVATION, "reservation_placement_group": "g", **BLOCK},
        ["workers.reservation_placement_group = g: the placement group of a capacity block has no name. Remove it"],
    ),
    "a group that is not used": (
        {"reservation_placement_group": "g", **RESERVED},
        ["workers.reservation_placement_group = g: placement none does not take the reservation's group"],
    ),
    "a capacity block of another family": (
        {"role": NodeRole.STORAGE, "machine": "i4i.16xlarge", **BLOCK},
        ["workers.capacity = capacity-block: aws does not sell i4i.16xlarge so (aws/karpenter-provider-aws"],
    ),
    "another cloud's capacity": (
        {"capacity": Capacity.FLEX_START},
        ["workers.capacity = flex-start: AWS does not have this capacity. Use one of on-demand, spot, reservation"],
    ),
    "spot without a floor": (
        {"capacity": Capacity.SPOT},
        ["workers.on_demand_nodes = None: spot needs a floor of on-demand nodes, from 1 and below the 4 of the pool"],
    ),
    "spot with nothing above its floor": (
        {"capacity": Capacity.SPOT, "on_demand_nodes": 4},
        ["workers.on_demand_nodes = 4: spot needs a floor of on-demand nodes"],
    ),
    "a floor above the start": (
        {"capacity": Capacity.SPOT, "on_demand_nodes": 5, "minimum_nodes": 1, "maximum_nodes": 8},
        ["workers.on_demand_nodes = 5: spot needs a floor of on-demand nodes"],
    ),
    "a floor without spot": (
        {"on_demand_nodes": 1},
        ["workers.on_demand_nodes = 1: capacity on-demand has no floor, only spot has"],
    ),
    "one bound": (
        {"minimum_nodes": 1},
        ["workers.maximum_nodes = None: an autoscaled pool has both bounds"],
    ),
    "the other bound": (
        {"maximum_nodes": 8},
        ["workers.minimum_nodes = None: an autoscaled pool has both bounds"],
    ),
    "a start outside its bounds": (
        {"minimum_nodes": 8, "maximum_nodes": 16},
        ["workers.nodes = 4: it is outside minimum_nodes 8 to maximum_nodes 16. Widen the bounds"],
    ),
    "no nodes": ({"nodes": 0}, ["workers.nodes = 0: a pool that nothing scales needs nodes"]),
    "no nodes for a replica": (
        {"nodes_per_replica": 0},
        ["workers.nodes_per_replica = 0: a replica has at least one node"],
    ),
    "no zones": ({"zones": ()}, ["workers.zones = none: a pool has at least one zone, each once"]),
    "a zone twice": (
        {"zones": ("us-west-2a", "us-west-2a")},
        ["workers.zones = us-west-2a, us-west-2a: a pool has at least one zone, each once"],
    ),
    "several things at once": (
        {"fabric": EFA, "zones": TWO_ZONES, "placement": Placement.CLUSTER, **BLOCK},
        [
            "workers.placement = cluster: a capacity-block has a placement of its own",
            "workers.zones = us-west-2a, us-west-2b: several zones exclude fabric efa and placement cluster and",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD)
def test_broken_capacity_rule_is_reported_with_its_path(changes: dict[str, Any], expected: list[str]) -> None:
    found = [str(problem) for problem in check_pool("workers", replace(WORKERS, **changes))]
    assert len(found) == len(expected), found
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start), message


def test_spot_capacity_is_a_second_node_group_above_an_on_demand_floor() -> None:
    shape = replace(WORKERS, nodes=6, minimum_nodes=1, maximum_nodes=16, capacity=Capacity.SPOT, on_demand_nodes=2)
    numbers = {name: (g.minimum_nodes, g.nodes, g.maximum_nodes) for name, g in shape.groups.items()}
    assert numbers == {"nodes": (2, 2, 2), "spot": (0, 4, 14)}
