"""Rules for how the machines of workers are bought: the cloud sells them so, in the workers' zones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from novacron_infra.catalog import Capacity, Cloud, Machine, load_machines
from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts, find_cloud
from novacron_infra.config.sections.capacity import (
    CapacityBlock,
    Fallback,
    FlexStartCapacity,
    ReservationCapacity,
    WorkerCapacity,
    WorkerPlacement,
)
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.workers import Workers
from novacron_infra.errors import Problem

_OF_ONE_CLOUD = {
    Capacity.CAPACITY_BLOCK: Cloud.AWS,
    Capacity.FLEX_START: Cloud.GCP,
    Capacity.QUEUED: Cloud.GCP,
}
_PROJECT_RESERVATION = r"(projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/reservations/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_RESERVATIONS = {
    Cloud.AWS: (r"cr-[0-9a-f]{8,17}", "cr-0123456789abcdef0"),
    Cloud.GCP: (_PROJECT_RESERVATION, "its name, or projects/owner/reservations/name where another project shares it"),
    Cloud.AZURE: (
        r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/capacityReservationGroups/[^/]+",
        "/subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/capacityReservationGroups/h100",
    ),
}


@dataclass(frozen=True)
class _Purchase:
    """The machines of a region's workers, and where the configuration states how they are bought."""

    path: str
    capacity: WorkerCapacity
    region: Region
    machine_type: Machine


def check_capacity(parts: Parts) -> Iterator[Problem]:
    """Check `workers.capacity` and `regions[].worker_capacity`. A problem of several regions is reported once."""
    workers, regions = parts.get("workers"), parts.get("regions", ())
    if workers is None:
        return
    found: dict[Problem, None] = {}
    for index, region in enumerate(regions):
        name = region.choose_machine("workers", workers.machine) or workers.machine
        machine_type = load_machines().get(name)
        if machine_type is None or machine_type.cloud is not find_cloud(parts, region):
            continue  # `check_machine` reports it
        own = region.worker_capacity
        purchase = _Purchase(
            path="workers.capacity" if own is None else f"{item_path('regions', regions, index)}.worker_capacity",
            capacity=workers.capacity if own is None else own,
            region=region,
            machine_type=machine_type,
        )
        for check in (_check_sale, _check_reserved, _check_placement, _check_zones):
            found |= dict.fromkeys(check(purchase))
    yield from found
    yield from _check_shared_reservation(workers, regions)


def _check_sale(purchase: _Purchase) -> Iterator[Problem]:
    """Report a machine that its cloud does not sell in this way."""
    kind, machine_type, path = purchase.capacity.kind, purchase.machine_type, f"{purchase.path}.kind"
    cloud, sold = _OF_ONE_CLOUD.get(kind, machine_type.cloud), machine_type.sold
    if sold is None:
        if cloud is not machine_type.cloud:
            rule = f"capacity {kind.value} is a capacity of {cloud.value}, and {machine_type.name} is on another cloud"
            yield problem(path, kind.value, rule, "Use on-demand, spot or reservation")
        return
    usable = " or ".join(item.value for item in sold.usable)
    fix = (
        f"Set {purchase.path}.kind to {usable}, or use another machine. If it is sold so by now, change `sold` of the "
        "machine in the catalogue"
    )
    if kind not in sold.capacities:
        rule = f"{machine_type.cloud.value} does not sell {machine_type.name} as {kind.value} {sold.reference}"
        yield problem(path, kind.value, rule, fix)
    elif kind not in sold.usable:
        rule = f"spot has a floor of on-demand machines, and {machine_type.name} is not sold on demand {sold.reference}"
        yield problem(path, kind.value, rule, fix)
    fallback = getattr(purchase.capacity, "fallback", Fallback.NONE)
    if fallback is Fallback.ON_DEMAND and Capacity.ON_DEMAND not in sold.capacities:
        rule = f"{machine_type.name} is not sold on demand {sold.reference}"
        yield problem(f"{purchase.path}.fallback", fallback.value, rule, "Use none")


def _check_reserved(purchase: _Purchase) -> Iterator[Problem]:
    """Report the id of a reservation that is not one, and the end of a block that is not after its start."""
    capacity, path = purchase.capacity, purchase.path
    if not isinstance(capacity, ReservationCapacity | CapacityBlock):
        return
    pattern, example = _RESERVATIONS[purchase.machine_type.cloud]
    if not re.fullmatch(pattern, capacity.reservation_id):
        rule = f"it is not the id of a reservation on {purchase.machine_type.cloud.value}"
        yield problem(f"{path}.reservation_id", capacity.reservation_id, rule, f"Write it as {example}")
    if isinstance(capacity, CapacityBlock) and capacity.end <= capacity.start:
        rule = f"it is not after start, {capacity.start.isoformat()}"
        yield problem(f"{path}.end", capacity.end.isoformat(), rule, "Use the end of the block as AWS states it")
    if isinstance(capacity, ReservationCapacity) and capacity.placement_group is not None:
        if purchase.machine_type.cloud is Cloud.AZURE:
            rule = "reservations on azure have no placement group"
            yield problem(f"{path}.placement_group", capacity.placement_group, rule, "Remove it")
        elif purchase.machine_type.cloud is Cloud.GCP and "/" in capacity.reservation_id:
            rule = "blocks of a reservation that another project shares cannot be named"
            yield problem(f"{path}.placement_group", capacity.placement_group, rule, "Remove it")


def _check_placement(purchase: _Purchase) -> Iterator[Problem]:
    """Report flex-start machines that Google Cloud does not place close together."""
    capacity, sold = purchase.capacity, purchase.machine_type.sold
    if not isinstance(capacity, FlexStartCapacity) or capacity.placement is not WorkerPlacement.CLUSTER:
        return
    if sold is not None and not sold.compact_flex_start:
        rule = f"flex-start machines of type {purchase.machine_type.name} cannot be placed close together"
        fix = "Use none, or a machine for which the catalogue has compact_flex_start"
        yield problem(f"{purchase.path}.placement", capacity.placement.value, rule, fix)


def _check_zones(purchase: _Purchase) -> Iterator[Problem]:
    """Report zones that are not the region's or do not sell the machine, and several zones where there must be one."""
    capacity, region, path = purchase.capacity, purchase.region, f"{purchase.path}.zones"
    machine_type, stated = purchase.machine_type, ", ".join(capacity.zones)
    if len(set(capacity.zones)) != len(capacity.zones):
        yield problem(path, stated, "a zone is listed twice", "List each zone once")
    strangers = [zone for zone in capacity.zones if zone not in region.zones]
    if strangers:
        shown = ", ".join(region.zones) or "none"
        rule = f"{strangers[0]} is not in the zones of region {region.name} ({shown})"
        fix = "Use zones of the region, or write worker_capacity of each region"
        yield problem(path, stated, rule, fix)
        return
    zones = capacity.zones or region.zones
    selling = machine_type.sold.zones if machine_type.sold else ()
    without = [zone for zone in zones if selling and zone not in selling]
    if without and machine_type.sold:
        usable = [zone for zone in region.zones if zone in selling]
        rule = f"{without[0]} does not sell {machine_type.name} {machine_type.sold.reference}"
        others = [zone for zone in selling if zone.startswith(f"{region.name}-")]
        fix = (
            f"Use [{', '.join(usable)}]"
            if usable
            else f"Add {' or '.join(others)} to the zones of the region"
            if others
            else f"Use a region that sells it: {', '.join(sorted({zone.rpartition('-')[0] for zone in selling}))}"
        )
        yield problem(path, stated or MISSING, rule, fix)
    elif isinstance(capacity, ReservationCapacity | CapacityBlock) and len(zones) > 1:
        rule = f"a {capacity.kind.value} is in one zone, and the workers would use {', '.join(zones)}"
        yield problem(path, stated or MISSING, rule, "Name the zone of the reservation")


def _check_shared_reservation(workers: Workers, regions: tuple[Region, ...]) -> Iterator[Problem]:
    """Report a reservation for several regions: each is in one."""
    capacity = workers.capacity
    sharing = [region.name for region in regions if region.worker_capacity is None]
    if isinstance(capacity, ReservationCapacity | CapacityBlock) and len(sharing) > 1:
        rule = f"a reservation is in one region, and {', '.join(sharing)} would share it"
        fix = "Write worker_capacity of each region"
        yield problem("workers.capacity.reservation_id", capacity.reservation_id, rule, fix)
