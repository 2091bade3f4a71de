"""Rules of AKS node pools: every broken rule with the exact path in its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.azure.capacity import check_pool
from novacron_infra.catalog import FabricKind
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

WORKERS = NodePoolShape(role=NodeRole.WORKER, machine="Standard_ND96isr_H100_v5", nodes=4, zones=())
IB = {"fabric": FabricKind.INFINIBAND}
GROUP = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gpus"
    "/providers/Microsoft.Compute/capacityReservationGroups/h100"
)
RESERVABLE = {"role": NodeRole.COORDINATOR, "machine": "Standard_D64s_v5"}
RESERVED = {**RESERVABLE, "capacity": Capacity.RESERVATION, "reservation_id": GROUP}
SPOT = {"capacity": Capacity.SPOT, "on_demand_nodes": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"zones": ("1", "2", "3")},
        IB,
        {**IB, "zones": ("2",), "nodes_per_replica": 2},
        {**IB, "nodes": 100},
        {**IB, "placement": Placement.CLUSTER},
        {"placement": Placement.CLUSTER, **SPOT},
        RESERVED,
        {**IB, **SPOT, "nodes_per_replica": 2},
        {"minimum_nodes": 0, "maximum_nodes": 300, "nodes": 0},
        {"role": NodeRole.COORDINATOR, "machine": "Standard_D64s_v5", "zones": ("1", "2", "3")},
        {"role": NodeRole.STORAGE, "machine": "Standard_L80s_v3"},
    ],
    ids=str,
)
def test_choices_that_go_together(changes: dict[str, Any]) -> None:
    assert check_pool("workers", replace(WORKERS, **changes)) == []


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a machine of another cloud": (
        {"machine": "p5.48xlarge"},
        ["workers.machine = p5.48xlarge: it is a machine of aws, not azure. Take a machine of azure"],
    ),
    "a worker without GPUs": (
        {"machine": "Standard_D64s_v5"},
        ["workers.machine = Standard_D64s_v5: workers need GPUs and it has none"],
    ),
    "another cloud's fabric": (
        {"fabric": FabricKind.EFA},
        ["workers.fabric = efa: Standard_ND96isr_H100_v5 has infiniband. Use infiniband"],
    ),
    "a replica over nodes of a size without InfiniBand": (
        {"machine": "Standard_ND96is_H100_v5", "nodes_per_replica": 2},
        [
            "workers.fabric = None: a replica of 2 nodes would send tensors over ordinary networking",
            "workers.machine = Standard_ND96is_H100_v5: a size without r in its name has no InfiniBand. "
            "Take one that has it, such as Standard_ND96isr_H100_v5",
        ],
    ),
    "InfiniBand on a size without it": (
        {"machine": "Standard_NC80adis_H100_v5", **IB},
        [
            "workers.fabric = infiniband: Standard_NC80adis_H100_v5 has no fabric. Remove it",
            "workers.machine = Standard_NC80adis_H100_v5: a size without r in its name has no InfiniBand",
        ],
    ),
    "InfiniBand on a machine without GPUs": (
        {"role": NodeRole.STORAGE, "machine": "Standard_L80s_v3", **IB},
        ["workers.fabric = infiniband: Standard_L80s_v3 has no fabric. Remove it"],
    ),
    "more nodes than an InfiniBand domain": (
        {**IB, "nodes": 101},
        ["workers.nodes = 101: an InfiniBand domain is one scale set of at most 100 nodes. Make several pools"],
    ),
    "room for more nodes than an InfiniBand domain": (
        {**IB, "minimum_nodes": 4, "maximum_nodes": 128},
        ["workers.maximum_nodes = 128: an InfiniBand domain is one scale set of at most 100 nodes"],
    ),
    "a replica over the floor and spot": (
        {**IB, **SPOT, "on_demand_nodes": 1, "nodes_per_replica": 2},
        [
            "workers.on_demand_nodes = 1: InfiniBand does not join the floor to the spot nodes, and replicas of 2 "
            "nodes do not fill it. Use a multiple of 2"
        ],
    ),
    "InfiniBand across zones": (
        {**IB, "zones": ("1", "2")},
        ["workers.zones = 1, 2: several zones exclude fabric infiniband. Name one zone"],
    ),
    "a proximity placement group across zones": (
        {"placement": Placement.CLUSTER, "zones": ("1", "2")},
        ["workers.zones = 1, 2: several zones exclude placement cluster"],
    ),
    "a zone twice": ({"zones": ("1", "1")}, ["workers.zones = 1, 1: a pool has at least one zone, each once"]),
    "a proximity placement group with a reservation": (
        {"placement": Placement.CLUSTER, **RESERVED},
        ["workers.placement = cluster: a reservation has a placement of its own"],
    ),
    "a reservation of a series without reservations": (
        {**RESERVED, "role": NodeRole.WORKER, "machine": "Standard_ND96isr_H100_v5"},
        ["workers.capacity = reservation: azure does not sell Standard_ND96isr_H100_v5 so"],
    ),
    "the placement of a reservation": (
        {"placement": Placement.FROM_RESERVATION, **RESERVED},
        ["workers.placement = from-reservation: Azure's reservations have no placement group. Use none"],
    ),
    "spot with a reservation": (
        {**SPOT, "reservation_id": GROUP},
        [f"workers.reservation_id = {GROUP}: capacity spot cannot launch into a reservation"],
    ),
    "a reservation without its group": (
        {**RESERVABLE, "capacity": Capacity.RESERVATION},
        ["workers.reservation_id = None: capacity reservation launches into one"],
    ),
    "an id that is none": (
        {**RESERVED, "reservation_id": "cr-0123456789abcdef0"},
        ["workers.reservation_id = cr-0123456789abcdef0: no capacity reservation group has such an id"],
    ),
    "a capacity block": (
        {"capacity": Capacity.CAPACITY_BLOCK, "reservation_id": GROUP},
        ["workers.capacity = capacity-block: Azure does not have this capacity. Use one of on-demand, spot"],
    ),
    "queued": (
        {"capacity": Capacity.QUEUED},
        ["workers.capacity = queued: Azure does not have this capacity. Use one of on-demand, spot"],
    ),
    "spot without a floor": (
        {"capacity": Capacity.SPOT},
        ["workers.on_demand_nodes = None: spot needs a floor of on-demand nodes, from 1 and below the 4 of the pool"],
    ),
    "several things at once": (
        {**IB, "zones": ("1", "4"), "nodes": 200},
        [
            "workers.zones = 1, 4: several zones exclude fabric infiniband",
            "workers.nodes = 200: an InfiniBand domain",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD)
def test_an_exclusion_is_named_with_its_place(changes: dict[str, Any], expected: list[str]) -> None:
    found = [str(problem) for problem in check_pool("workers", replace(WORKERS, **changes))]
    assert len(found) == len(expected), found
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start), message
