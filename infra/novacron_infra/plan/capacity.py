"""How the machines of each region's workers are bought, and what happens when the cloud has none."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.catalog import Capacity, Price, find_spot_price
from novacron_infra.config.sections.capacity import (
    CapacityBlock,
    Fallback,
    FlexStartCapacity,
    QueuedCapacity,
    ReservationCapacity,
    SpotCapacity,
    WorkerCapacity,
)
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.pools import OVERFLOW, plan_node_pools


@dataclass(frozen=True)
class RegionCapacity:
    """How the machines of one region's workers are bought."""

    region: str
    capacity: Capacity
    machine: str
    zones: tuple[str, ...]
    """Zones of the node pool. Empty: Azure chooses."""
    nodes: int
    """Machines at the start. 0 where pods bring them."""
    maximum_nodes: int
    on_demand_nodes: int | None
    """The floor below spot machines."""
    fallback_nodes: int
    """On-demand machines that the fallback adds at most."""
    usd_per_hour: float | None
    """Price of one machine: as the configuration states it, or the on-demand list price. None: no public price."""
    spot_price: Price | None
    """Price of one spot machine on a date. None: the machines are not spot machines, or have no public price."""
    when_unavailable: str
    """The consequence when the cloud has no machine of this capacity, as a clause."""


def plan_capacity(plan: EnvironmentPlan) -> tuple[RegionCapacity, ...]:
    """Return how the machines of workers are bought, by region."""
    found: list[RegionCapacity] = []
    for described, region in zip(plan.config.regions, plan.regions, strict=True):
        pools = plan_node_pools(plan, region, described.zones)
        pool, overflow = pools["workers"], pools.get(OVERFLOW)
        costs = plan.cost.find_region(region.name).machines
        (cost,) = [item for item in costs if item.machines.role == "workers"]
        found.append(
            RegionCapacity(
                region=region.name,
                capacity=pool.capacity,
                machine=pool.machine,
                zones=pool.zones,
                nodes=pool.nodes,
                maximum_nodes=pool.maximum_nodes or pool.nodes,
                on_demand_nodes=pool.on_demand_nodes,
                fallback_nodes=overflow.maximum_nodes or 0 if overflow else 0,
                usd_per_hour=cost.usd_per_hour_each,
                spot_price=find_spot_price(pool.machine, region.name) if pool.capacity is Capacity.SPOT else None,
                when_unavailable=_describe_shortage(plan.config.find_capacity(described), pool.on_demand_nodes),
            )
        )
    return tuple(found)


def _describe_shortage(capacity: WorkerCapacity, floor: int | None) -> str:
    """Return what happens when the cloud has no machine of a capacity."""
    waiting = "pods wait until the cloud has machines again; no other capacity is used"
    match capacity:
        case SpotCapacity() if floor is not None:
            return f"the {floor} on-demand machines stay and serve alone; {waiting}"
        case ReservationCapacity() | CapacityBlock():
            period = ""
            if isinstance(capacity, CapacityBlock):
                period = f"the block runs from {capacity.start.isoformat()} to {capacity.end.isoformat()}; "
            if capacity.fallback is Fallback.ON_DEMAND:
                return f"{period}the cluster autoscaler adds on-demand machines while pods wait, and removes idle ones"
            return f"{period}{waiting}"
        case FlexStartCapacity() | QueuedCapacity():
            waits = f"Kueue's queue {capacity.queue}" if isinstance(capacity, QueuedCapacity) else "pods"
            return f"machines start when {waits} asked for them, and end after {capacity.max_run_hours} h; {waiting}"
        case _:
            return waiting
