"""What Amazon refuses in a pool, beyond what every cloud does: said before anything is created."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.pools import Capacity, NodePoolShape, Placement, shape_problems

_OFFERED = (Capacity.ON_DEMAND, Capacity.SPOT, Capacity.RESERVATION, Capacity.CAPACITY_BLOCK)
_RESERVATION_ID = re.compile(r"cr-[0-9a-f]{8,17}")
_BLOCK_FAMILY = "p"
"""Capacity blocks exist for the P families (and Trainium, which the catalogue does not have)."""


def pool_problems(path: str, shape: NodePoolShape) -> list[Problem]:
    """Everything that is wrong with a pool on EKS; `path` is the pool's name, before its fields' names."""
    return shape_problems(path, shape, Cloud.AWS) + list(_amazon(path, shape))


def _amazon(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    capacity, group = shape.capacity, shape.reservation_placement_group
    if capacity not in _OFFERED:
        offered = ", ".join(item.value for item in _OFFERED)
        yield Problem(f"{path}.capacity", capacity.value, "Amazon has no such capacity", f"Use one of {offered}")
    if capacity is Capacity.CAPACITY_BLOCK and not shape.machine.startswith(_BLOCK_FAMILY):
        rule = "capacity blocks are sold for P machines only"
        yield Problem(f"{path}.machine", shape.machine, rule, "Take a P machine, or another capacity")
    if shape.reservation_id is not None and not _RESERVATION_ID.fullmatch(shape.reservation_id):
        rule = "no reservation has such an id"
        yield Problem(f"{path}.reservation_id", shape.reservation_id, rule, "Write it as cr-0123456789abcdef0")
    if shape.placement is Placement.FROM_RESERVATION:
        field = f"{path}.reservation_placement_group"
        if capacity is Capacity.RESERVATION and group is None:
            rule = "a reservation made in a placement group is launched into by naming that group as well"
            yield Problem(field, "None", rule, "Name its group; use placement none if it has none")
        if capacity is Capacity.CAPACITY_BLOCK and group is not None:
            rule = "a capacity block lies in a group that has no name"
            yield Problem(field, group, rule, "Leave it out")
