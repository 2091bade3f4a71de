"""The node pools of a region, as the clouds' components need them."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

from novacron_infra.catalog import find_machine
from novacron_infra.config import Platform
from novacron_infra.config.sections.capacity import (
    CapacityBlock,
    Fallback,
    FlexStartCapacity,
    OnDemandCapacity,
    QueuedCapacity,
    ReservationCapacity,
    SpotCapacity,
    WorkerCapacity,
    WorkerPlacement,
)
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

OVERFLOW = "overflow"
"""Node pool with the on-demand machines that a reservation falls back to. It starts without nodes."""
_ROLES = {"coordinators": NodeRole.COORDINATOR, "workers": NodeRole.WORKER, "storage": NodeRole.STORAGE}


def plan_node_pools(plan: EnvironmentPlan, region: RegionPlan, zones: tuple[str, ...]) -> dict[str, NodePoolShape]:
    """Return the node pools of a region by role, and `OVERFLOW`.

    Workers whose replicas span nodes are placed close together in the first zone, with the machine's fabric between
    them. The fraction of spot machines is counted at the maximum of nodes; the other nodes at that maximum are on
    demand, and nodes are on demand before any is spot. With flex-start and queued capacity, pods bring the nodes. With
    a fallback, the reserved nodes keep running and `OVERFLOW` has the others.
    On Google Cloud, storage nodes and workers use as many zones as divide their numbers.

    Args:
        plan: the plan of the environment.
        region: the plan of the region.
        zones: the zones of the region, the preferred one first.
    """
    pools = {
        item.role: NodePoolShape(role=_ROLES[item.role], machine=item.machine.name, nodes=item.count, zones=zones)
        for item in region.machines
        if item.count
    }
    (described,) = [item for item in plan.config.regions if item.name == region.name]
    capacity = plan.config.find_capacity(described)
    workers = _plan_workers(plan, region, replace(pools["workers"], zones=capacity.zones or zones))
    pools["workers"] = _buy(workers, capacity)
    if isinstance(capacity, ReservationCapacity | CapacityBlock) and capacity.fallback is Fallback.ON_DEMAND:
        most = workers.maximum_nodes or workers.nodes
        pools["workers"] = replace(pools["workers"], minimum_nodes=None, maximum_nodes=None)
        pools[OVERFLOW] = replace(workers, zones=zones, nodes=0, minimum_nodes=0, maximum_nodes=most)
    if region.platform is Platform.GCP:
        pools |= {role: _spread_evenly(pool) for role, pool in pools.items() if role != "coordinators"}
    return dict(pools)


def _spread_evenly(pool: NodePoolShape) -> NodePoolShape:
    """Return the pool in as many of its zones as divide its numbers of nodes: GKE starts the same number in each.

    Coordinators keep all their zones, because in a single zone they would all fail together.
    """
    counts = [
        count for group in pool.groups.values() for count in (group.nodes, group.minimum_nodes, group.maximum_nodes)
    ]
    zones = max(n for n in range(1, len(pool.zones) + 1) if all(count % n == 0 for count in counts))
    return replace(pool, zones=pool.zones[:zones])


def _plan_workers(plan: EnvironmentPlan, region: RegionPlan, pool: NodePoolShape) -> NodePoolShape:
    """Return the pool of workers with its bounds, and with what replicas that span nodes need."""
    workers, machine_type = plan.config.workers, find_machine(pool.machine)
    if plan.config.autoscaling is not None:
        fewest = ceil(region.workers.minimum * workers.gpus_per_worker / machine_type.gpu_count)
        pool = replace(pool, minimum_nodes=fewest, maximum_nodes=region.maximum_nodes)
    nodes_per_replica = max(profile.size.pipeline_parallel for profile in plan.profiles)
    if nodes_per_replica > 1:
        pool = replace(
            pool,
            nodes_per_replica=nodes_per_replica,
            fabric=None if machine_type.fabric is None else machine_type.fabric.kind,
            placement=Placement.CLUSTER,
            zones=pool.zones[:1],
        )
    return pool


def _buy(pool: NodePoolShape, capacity: WorkerCapacity) -> NodePoolShape:
    """Return the pool of workers with the capacity that the configuration states."""
    most = pool.maximum_nodes or pool.nodes
    match capacity:
        case ReservationCapacity() | CapacityBlock():
            group = capacity.placement_group if isinstance(capacity, ReservationCapacity) else None
            return replace(
                pool,
                capacity=capacity.kind,
                reservation_id=capacity.reservation_id,
                reservation_placement_group=group,
                placement=Placement.NONE if group is None else Placement.FROM_RESERVATION,
                zones=pool.zones[:1],
            )
        case QueuedCapacity():
            return _arrive_later(pool, capacity, most, Placement.NONE)
        case FlexStartCapacity():
            sold = find_machine(pool.machine).sold
            compact = sold is None or sold.compact_flex_start
            placed = _place(pool if compact else replace(pool, placement=Placement.NONE), capacity.placement)
            return _arrive_later(placed, capacity, most, placed.placement)
        case SpotCapacity():
            pool = _place(pool, capacity.placement)
            spot = floor(round(most * capacity.fraction, 6))  # rounded first: 0.7 × 10 is 6.999… in binary
            return replace(pool, capacity=Capacity.SPOT, on_demand_nodes=min(pool.nodes, most - spot)) if spot else pool
        case OnDemandCapacity():
            return _place(pool, capacity.placement)


def _place(pool: NodePoolShape, placement: WorkerPlacement | None) -> NodePoolShape:
    if placement is None:
        return pool
    if placement is WorkerPlacement.NONE:
        return replace(pool, placement=Placement.NONE)
    return replace(pool, placement=Placement.CLUSTER, zones=pool.zones[:1])


def _arrive_later(
    pool: NodePoolShape, capacity: FlexStartCapacity | QueuedCapacity, most: int, placement: Placement
) -> NodePoolShape:
    """Return the pool without nodes at the start: pods, or requests of Kueue, bring them."""
    return replace(
        pool,
        capacity=capacity.kind,
        placement=placement,
        nodes=0,
        minimum_nodes=0,
        maximum_nodes=most,
        longest_run_s=capacity.max_run_hours * 3600,
    )
