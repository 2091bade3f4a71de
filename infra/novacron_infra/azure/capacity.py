"""Rules of AKS node pools that Azure enforces in addition to the rules of every cloud."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.azure.checks import is_reservation_group
from novacron_infra.azure.fabric import LARGEST_DOMAIN_NODES, lacks_infiniband
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.pools import Capacity, NodePoolShape, Placement, check_shape

_OFFERED = (Capacity.ON_DEMAND, Capacity.SPOT, Capacity.RESERVATION)
_WITH_INFINIBAND = "Standard_ND96isr_H100_v5"
_RESERVATION_EXAMPLE = "/subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/capacityReservationGroups/h100"


def check_pool(path: str, shape: NodePoolShape) -> list[Problem]:
    """Everything that is wrong with a pool on AKS; `path` is the pool's name, before its fields' names."""
    return check_shape(path, shape, Cloud.AZURE) + list(_check_azure(path, shape))


def _check_azure(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    capacity = shape.capacity
    if capacity not in _OFFERED:
        offered = ", ".join(item.value for item in _OFFERED)
        yield Problem(f"{path}.capacity", capacity.value, "Azure does not have this capacity", f"Use one of {offered}")
    if shape.reservation_id is not None and not is_reservation_group(shape.reservation_id):
        rule = "no capacity reservation group has such an id"
        yield Problem(f"{path}.reservation_id", shape.reservation_id, rule, f"Write it as {_RESERVATION_EXAMPLE}")
    if shape.placement is Placement.FROM_RESERVATION:
        rule = "Azure's reservations have no placement group"
        yield Problem(f"{path}.placement", shape.placement.value, rule, "Use none")
    yield from _check_infiniband(path, shape)


def _check_infiniband(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    spans, largest = shape.nodes_per_replica, shape.maximum_nodes or shape.nodes
    if (shape.fabric is not None or spans > 1) and lacks_infiniband(shape.machine):
        rule = "a size without r in its name has no InfiniBand"
        yield Problem(f"{path}.machine", shape.machine, rule, f"Take one that has it, such as {_WITH_INFINIBAND}")
    if shape.fabric is None:
        return
    if largest > LARGEST_DOMAIN_NODES:
        field = "nodes" if shape.maximum_nodes is None else "maximum_nodes"
        rule = f"an InfiniBand domain is one scale set of at most {LARGEST_DOMAIN_NODES} nodes"
        yield Problem(f"{path}.{field}", str(largest), rule, "Make several pools")
    floor = shape.on_demand_nodes
    if shape.capacity is Capacity.SPOT and floor is not None and spans > 0 and floor % spans:
        rule = f"InfiniBand does not join the floor to the spot nodes, and replicas of {spans} nodes do not fill it"
        yield Problem(f"{path}.on_demand_nodes", str(floor), rule, f"Use a multiple of {spans}")
