"""Rules of GKE node pools that Google Cloud enforces in addition to the rules of every cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.pools import Capacity, NodePoolShape, Placement, check_shape

_OFFERED = (Capacity.ON_DEMAND, Capacity.SPOT, Capacity.RESERVATION, Capacity.FLEX_START, Capacity.QUEUED)
SCHEDULED = (Capacity.FLEX_START, Capacity.QUEUED)
"""Machines come when Dynamic Workload Scheduler has them, not when a pool is made."""
_RESERVATION = re.compile(r"(projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/reservations/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_BLOCK = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_pool(path: str, shape: NodePoolShape) -> list[Problem]:
    """Everything that is wrong with a pool on GKE; `path` is the pool's name, before its fields' names."""
    rules = (_check_capacity, _check_scheduled, _check_reservation, _check_zones)
    return check_shape(path, shape, Cloud.GCP) + [problem for check in rules for problem in check(path, shape)]


def _check_capacity(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    if shape.capacity not in _OFFERED:
        offered = ", ".join(item.value for item in _OFFERED)
        rule = "Google Cloud does not have this capacity"
        yield Problem(f"{path}.capacity", shape.capacity.value, rule, f"Use one of {offered}")


def _check_scheduled(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    if shape.capacity not in SCHEDULED:
        return
    what = shape.capacity.value
    if not shape.autoscaled:
        rule = f"capacity {what} has no fixed number of nodes: they come when pods ask for them"
        yield Problem(f"{path}.minimum_nodes", "None", rule, "State minimum_nodes 0 and maximum_nodes")
    elif shape.nodes > 0:
        rule = f"making a pool of capacity {what} would wait for machines that no pod has requested yet"
        yield Problem(f"{path}.nodes", str(shape.nodes), rule, "Use 0: pods bring the nodes")
    if shape.capacity is Capacity.QUEUED:
        if shape.minimum_nodes:
            rule = "queued nodes stand only while a request holds them"
            yield Problem(f"{path}.minimum_nodes", str(shape.minimum_nodes), rule, "Use 0")
        if shape.placement is Placement.CLUSTER:
            rule = "capacity queued excludes compact placement"
            yield Problem(f"{path}.placement", shape.placement.value, rule, "Use none, or another capacity")


def _check_reservation(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    reservation, block = shape.reservation_id, shape.reservation_placement_group
    if reservation is not None and not _RESERVATION.fullmatch(reservation):
        rule = "no reservation has such a name"
        fix = "Write it as its name, or as projects/owner/reservations/name where another project shares it"
        yield Problem(f"{path}.reservation_id", reservation, rule, fix)
    if block is None:
        return
    if not _BLOCK.fullmatch(block):
        rule = "no block of a reservation has such a name"
        yield Problem(f"{path}.reservation_placement_group", block, rule, "Write it as the block's name alone")
    elif reservation is not None and "/" in reservation:
        rule = "blocks of a reservation that another project shares cannot be named"
        yield Problem(f"{path}.reservation_placement_group", block, rule, "Leave it out")


def _check_zones(path: str, shape: NodePoolShape) -> Iterator[Problem]:
    zones = len(shape.zones) or 1
    floored = shape.on_demand_nodes is not None
    for group in shape.groups.values():
        if group.nodes % zones:
            whose = f" of the {group.capacity.value} nodes" if floored else ""
            field = "on_demand_nodes" if floored and group.capacity is Capacity.ON_DEMAND else "nodes"
            rule = f"GKE starts equally many in each zone, and {group.nodes}{whose} do not divide by {zones} zones"
            fix = "Use a multiple of the zones, or other zones"
            yield Problem(f"{path}.{field}", str(getattr(shape, field)), rule, fix)
