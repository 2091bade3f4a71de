"""The rule for fallbacks of reservations that needs the size of replicas."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_infra.config import CloudEnvironment
from novacron_infra.config.problems import item_path, problem
from novacron_infra.config.sections.capacity import CapacityBlock, Fallback, ReservationCapacity
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.sizing import ReplicaSize


def check_fallbacks(config: CloudEnvironment, sizes: Sequence[ReplicaSize]) -> None:
    """Raise PlanError for a fallback of replicas that span machines: they cannot span two node pools."""
    spans = max(size.pipeline_parallel for size in sizes)
    found: dict[Problem, None] = {}
    for index, region in enumerate(config.regions):
        capacity = config.find_capacity(region)
        if spans > 1 and isinstance(capacity, ReservationCapacity | CapacityBlock):
            own = f"{item_path('regions', config.regions, index)}.worker_capacity"
            path = "workers.capacity" if region.worker_capacity is None else own
            if capacity.fallback is not Fallback.NONE:
                rule = f"replicas span {spans} machines, and the machines of a fallback are in a node pool of their own"
                fix = "Use none, or profiles whose replicas fit one machine"
                found[problem(f"{path}.fallback", capacity.fallback.value, rule, fix)] = None
    if found:
        raise PlanError(list(found))
