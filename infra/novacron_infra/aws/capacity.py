"""Rules of EKS node pools that AWS enforces in addition to the rules of every cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.pools import Capacity, NodePoolShape, Placement, check_shape

_OFFERED = (Capacity.ON_DEMAND, Capacity.SPOT, Capacity.RESERVATION, Capacity.CAPACITY_BLOCK)
_RESERVATION_ID = re.compile(r"cr-[0-9a-f]{8,17}")


def check_pool(path: str, shape: NodePoolShape) -> list[Problem]:
    """Yield every problem of a pool on EKS. `path` is the pool's name, the prefix of the fields' paths."""
    return check_shape(path, shape, Cloud.AWS) + list(_check_aws(path, shape))


def _check_aws(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    capacity, group = shape.capacity, shape.reservation_placement_group
    if capacity not in _OFFERED:
        offered = ", ".join(item.value for item in _OFFERED)
        yield Problem(f"{path}.capacity", capacity.value, "AWS does not have this capacity", f"Use one of {offered}")
    if shape.reservation_id is not None and not _RESERVATION_ID.fullmatch(shape.reservation_id):
        rule = "it is not the id of a reservation"
        yield Problem(f"{path}.reservation_id", shape.reservation_id, rule, "Write it as cr-0123456789abcdef0")
    if shape.placement is Placement.FROM_RESERVATION:
        field = f"{path}.reservation_placement_group"
        if capacity is Capacity.RESERVATION and group is None:
            rule = "a reservation in a placement group needs the name of that group"
            yield Problem(field, "None", rule, "Name the group, or set placement to none if the reservation has none")
        if capacity is Capacity.CAPACITY_BLOCK and group is not None:
            rule = "the placement group of a capacity block has no name"
            yield Problem(field, group, rule, "Remove it")
