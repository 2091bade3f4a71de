"""Rules of GKE node pools: every broken rule with the exact path in its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.catalog import FabricKind
from novacron_infra.gcp.capacity import check_pool
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

WORKERS = NodePoolShape(role=NodeRole.WORKER, machine="a3-megagpu-8g", nodes=4, zones=("us-central1-a",))
TCPXO = FabricKind.TCPXO
RESERVED = {"capacity": Capacity.RESERVATION, "reservation_id": "h100"}
EMPTY = {"nodes": 0, "minimum_nodes": 0, "maximum_nodes": 8}
FLEX = {"capacity": Capacity.FLEX_START, **EMPTY}
QUEUED = {"capacity": Capacity.QUEUED, **EMPTY}
TWO_ZONES = ("us-central1-a", "us-central1-b")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"zones": TWO_ZONES},
        {"fabric": TCPXO, "nodes_per_replica": 2},
        {"placement": Placement.CLUSTER, "fabric": TCPXO},
        {"placement": Placement.CLUSTER, "capacity": Capacity.SPOT, "on_demand_nodes": 2},
        {"zones": TWO_ZONES, "capacity": Capacity.SPOT, "on_demand_nodes": 2, "nodes": 6},
        {"fabric": TCPXO, **RESERVED},
        {**RESERVED, "reservation_id": "projects/owner-1/reservations/h100"},
        {**RESERVED, "placement": Placement.FROM_RESERVATION},
        {**RESERVED, "placement": Placement.FROM_RESERVATION, "reservation_placement_group": "h100-block-0001"},
        FLEX,
        {**FLEX, "placement": Placement.CLUSTER, "machine": "a4-highgpu-8g", "zones": ("us-central1-b",)},
        QUEUED,
        {**QUEUED, "fabric": TCPXO},
        {"role": NodeRole.COORDINATOR, "machine": "c2-standard-60", "zones": TWO_ZONES},
        {"role": NodeRole.STORAGE, "machine": "c2-standard-30"},
    ],
    ids=str,
)
def test_choices_that_go_together(changes: dict[str, Any]) -> None:
    assert check_pool("workers", replace(WORKERS, **changes)) == []


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a machine of another cloud": (
        {"machine": "p5.48xlarge"},
        ["workers.machine = p5.48xlarge: it is a machine of aws, not gcp. Take a machine of gcp"],
    ),
    "another cloud's fabric": (
        {"fabric": FabricKind.EFA},
        ["workers.fabric = efa: a3-megagpu-8g has tcpxo. Use tcpxo"],
    ),
    "a machine's fabric on another": (
        {"machine": "a3-highgpu-8g", "fabric": TCPXO},
        ["workers.fabric = tcpxo: a3-highgpu-8g has tcpx. Use tcpx"],
    ),
    "a fabric across zones": (
        {"fabric": TCPXO, "zones": TWO_ZONES},
        ["workers.zones = us-central1-a, us-central1-b: several zones exclude fabric tcpxo. Name one zone"],
    ),
    "compact placement across zones": (
        {"placement": Placement.CLUSTER, "zones": TWO_ZONES},
        ["workers.zones = us-central1-a, us-central1-b: several zones exclude placement cluster"],
    ),
    "a reservation across zones": (
        {"zones": TWO_ZONES, **RESERVED},
        ["workers.zones = us-central1-a, us-central1-b: several zones exclude capacity reservation"],
    ),
    "compact placement with a reservation": (
        {"placement": Placement.CLUSTER, **RESERVED},
        ["workers.placement = cluster: a reservation has a placement of its own"],
    ),
    "compact placement with queued provisioning": (
        {**QUEUED, "placement": Placement.CLUSTER},
        ["workers.placement = cluster: capacity queued excludes compact placement. Use none, or another capacity"],
    ),
    "queued provisioning with a reservation": (
        {**QUEUED, "reservation_id": "h100"},
        ["workers.reservation_id = h100: capacity queued cannot launch into a reservation"],
    ),
    "queued provisioning with a minimum": (
        {"capacity": Capacity.QUEUED, "nodes": 2, "minimum_nodes": 2, "maximum_nodes": 8},
        [
            "workers.nodes = 2: making a pool of capacity queued would wait for machines that no pod has requested yet",
            "workers.minimum_nodes = 2: queued nodes stand only while a request holds them. Use 0",
        ],
    ),
    "queued provisioning with a fixed number": (
        {"capacity": Capacity.QUEUED},
        ["workers.minimum_nodes = None: capacity queued has no fixed number of nodes: they come when pods ask"],
    ),
    "flex-start with a fixed number": (
        {"capacity": Capacity.FLEX_START},
        ["workers.minimum_nodes = None: capacity flex-start has no fixed number of nodes"],
    ),
    "flex-start with nodes at the start": (
        {**FLEX, "nodes": 1},
        ["workers.nodes = 1: making a pool of capacity flex-start would wait for machines"],
    ),
    "flex-start with a reservation": (
        {**FLEX, "reservation_id": "h100"},
        ["workers.reservation_id = h100: capacity flex-start cannot launch into a reservation"],
    ),
    "flex-start with a floor, as of spot": (
        {**FLEX, "on_demand_nodes": 1},
        ["workers.on_demand_nodes = 1: capacity flex-start has no floor, only spot has"],
    ),
    "flex-start with the placement of no reservation": (
        {**FLEX, "placement": Placement.FROM_RESERVATION},
        ["workers.placement = from-reservation: capacity flex-start has no reservation to take it from"],
    ),
    "spot with a reservation": (
        {"capacity": Capacity.SPOT, "on_demand_nodes": 1, "reservation_id": "h100"},
        ["workers.reservation_id = h100: capacity spot cannot launch into a reservation"],
    ),
    "a reservation without its name": (
        {"capacity": Capacity.RESERVATION},
        ["workers.reservation_id = None: capacity reservation launches into one. Name the reservation"],
    ),
    "a name that no reservation has": (
        {**RESERVED, "reservation_id": "projects/owner-1/h100"},
        ["workers.reservation_id = projects/owner-1/h100: no reservation has such a name. Write it as its name"],
    ),
    "a block that has a path": (
        {
            **RESERVED,
            "placement": Placement.FROM_RESERVATION,
            "reservation_placement_group": "reservationBlocks/h100-block-0001",
        },
        ["workers.reservation_placement_group = reservationBlocks/h100-block-0001: no block of a reservation has"],
    ),
    "a block of another project's reservation": (
        {
            "capacity": Capacity.RESERVATION,
            "reservation_id": "projects/owner-1/reservations/h100",
            "placement": Placement.FROM_RESERVATION,
            "reservation_placement_group": "h100-block-0001",
        },
        ["workers.reservation_placement_group = h100-block-0001: blocks of a reservation that another project shares"],
    ),
    "a block that is not used": (
        {**RESERVED, "reservation_placement_group": "h100-block-0001"},
        ["workers.reservation_placement_group = h100-block-0001: placement none does not take the reservation's group"],
    ),
    "flex-start nodes of A3 High close together": (
        {**FLEX, "placement": Placement.CLUSTER, "machine": "a3-highgpu-8g"},
        ["workers.placement = cluster: flex-start nodes of type a3-highgpu-8g cannot be placed close together"],
    ),
    "a part of a machine on demand": (
        {"machine": "a3-highgpu-1g"},
        ["workers.capacity = on-demand: gcp does not sell a3-highgpu-1g so"],
    ),
    "spot above a floor that is not sold": (
        {"machine": "a3-ultragpu-8g", "capacity": Capacity.SPOT, "on_demand_nodes": 2},
        ["workers.capacity = spot: its floor is on demand, and gcp does not sell a3-ultragpu-8g so"],
    ),
    "another cloud's capacity": (
        {"capacity": Capacity.CAPACITY_BLOCK, "reservation_id": "h100"},
        ["workers.capacity = capacity-block: Google Cloud does not have this capacity. Use one of on-demand, spot,"],
    ),
    "nodes that zones do not share evenly": (
        {"zones": TWO_ZONES, "nodes": 3},
        ["workers.nodes = 3: GKE starts equally many in each zone, and 3 do not divide by 2 zones. Use a multiple"],
    ),
    "a floor that zones do not share evenly": (
        {"zones": TWO_ZONES, "capacity": Capacity.SPOT, "on_demand_nodes": 1},
        [
            "workers.on_demand_nodes = 1: GKE starts equally many in each zone, and 1 of the on-demand nodes do not",
            "workers.nodes = 4: GKE starts equally many in each zone, and 3 of the spot nodes do not divide by 2",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD)
def test_an_exclusion_is_named_with_its_place(changes: dict[str, Any], expected: list[str]) -> None:
    found = [str(problem) for problem in check_pool("workers", replace(WORKERS, **changes))]
    assert len(found) == len(expected), found
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start), message


@pytest.mark.parametrize("capacity", [Capacity.FLEX_START, Capacity.QUEUED])
def test_scheduled_capacity_is_one_group(capacity: Capacity) -> None:
    (group,) = replace(WORKERS, **EMPTY, capacity=capacity).groups.values()
    assert (group.minimum_nodes, group.nodes, group.maximum_nodes) == (0, 0, 8)
