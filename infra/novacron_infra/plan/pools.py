"""The node pools of a region, from the plan: what the clouds' components take."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

from novacron_infra.catalog import find_machine
from novacron_infra.config import Platform
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement

_ROLES = {"coordinators": NodeRole.COORDINATOR, "workers": NodeRole.WORKER, "storage": NodeRole.STORAGE}


def node_pools(plan: EnvironmentPlan, region: RegionPlan, zones: tuple[str, ...]) -> dict[str, NodePoolShape]:
    """The pools by role; `zones` are the region's, in the order in which they are to be used.

    Workers whose replicas span nodes are close together in the first zone, with the machine's fabric between them. Spot
    is counted at the maximum, so that scaling up does not make more of the workers spot than the configuration allows;
    only where fewer nodes than that floor are wished at the start, all of these are on demand and the rest is spot. On
    Google Cloud storage nodes and workers are in as many zones as their numbers allow.
    """
    pools = {
        item.role: NodePoolShape(role=_ROLES[item.role], machine=item.machine.name, nodes=item.count, zones=zones)
        for item in region.machines
        if item.count
    }
    pools["workers"] = _workers(plan, region, pools["workers"])
    if region.platform is Platform.GCP:
        pools |= {role: _evenly_spread(pool) for role, pool in pools.items() if role != "coordinators"}
    return pools


def _evenly_spread(pool: NodePoolShape) -> NodePoolShape:
    """In as many of its zones as divide its numbers of nodes: GKE starts equally many in each.

    Coordinators are not moved together: one zone of them would be one to lose them all with.
    """
    counts = [
        count for group in pool.groups.values() for count in (group.nodes, group.minimum_nodes, group.maximum_nodes)
    ]
    zones = max(n for n in range(1, len(pool.zones) + 1) if all(count % n == 0 for count in counts))
    return replace(pool, zones=pool.zones[:zones])


def _workers(plan: EnvironmentPlan, region: RegionPlan, pool: NodePoolShape) -> NodePoolShape:
    workers, row = plan.config.workers, find_machine(pool.machine)
    if plan.config.autoscaling is not None:
        fewest = ceil(region.workers.minimum * workers.gpus_per_worker / row.gpu_count)
        pool = replace(pool, minimum_nodes=fewest, maximum_nodes=region.maximum_nodes)
    nodes_per_replica = max(profile.size.pipeline_parallel for profile in plan.profiles)
    if nodes_per_replica > 1:
        pool = replace(
            pool,
            nodes_per_replica=nodes_per_replica,
            fabric=None if row.fabric is None else row.fabric.kind,
            placement=Placement.CLUSTER,
            zones=pool.zones[:1],
        )
    most = pool.maximum_nodes or pool.nodes
    spot = floor(round(most * workers.spot_fraction, 6))  # 0.7 × 10 is 7, whatever its bits say
    if spot:
        pool = replace(pool, capacity=Capacity.SPOT, on_demand_nodes=min(pool.nodes, most - spot))
    return pool
