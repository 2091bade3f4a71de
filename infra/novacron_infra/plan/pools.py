"""The node pools of a region, as the clouds' components need them."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

from novacron_infra.catalog import find_machine
from novacron_infra.config import Platform
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

_ROLES = {"coordinators": NodeRole.COORDINATOR, "workers": NodeRole.WORKER, "storage": NodeRole.STORAGE}


def plan_node_pools(plan: EnvironmentPlan, region: RegionPlan, zones: tuple[str, ...]) -> dict[str, NodePoolShape]:
    """Return the node pools of a region by role.

    Workers whose replicas span nodes are placed close together in the first zone, with the machine's fabric between
    them. The spot fraction of the configuration is counted at the maximum of nodes; the other nodes at that maximum
    are on demand, and nodes are on demand before any is spot.
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
    pools["workers"] = _plan_workers(plan, region, pools["workers"])
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
    most = pool.maximum_nodes or pool.nodes
    spot = floor(round(most * workers.spot_fraction, 6))  # rounded first: 0.7 × 10 is 6.999… in binary
    if spot:
        pool = replace(pool, capacity=Capacity.SPOT, on_demand_nodes=min(pool.nodes, most - spot))
    return pool
