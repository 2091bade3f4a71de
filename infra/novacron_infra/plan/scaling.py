"""The scaling policy of a group of workers, and the number of replicas that it asks for.

A policy is a value: the simulation reads it, and `workloads.scaled_objects` writes it as a ScaledObject of KEDA, whose
formula makes the same decision as `decide_replicas`.

Load is counted in replicas: 2.5 is the load that two and a half replicas hold. It is the higher one of two: the
requests that run or wait, in relation to the requests that a replica runs at the same time; and the use of the KV
caches. The load per replica decides:

- above `emergency.utilization_fraction`: replicas are added at once, up to the limit for emergencies;
- above `scale_up.utilization_fraction` without interruption for its time: replicas are added, up to the normal limit;
- below `scale_down.utilization_fraction` without interruption for its time: replicas are removed;
- otherwise the number stays. The gap between the two fractions is the hysteresis.

A replica takes minutes to load its model, and requests queue meanwhile. So replicas that are starting count as
capacity, and are subtracted from those that the queue asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from novacron_infra.config.sections.autoscaling import Autoscaling, Day, Schedule

AUTOSCALER_TOLERANCE = 0.1
"""Kubernetes ignores a change of less than this fraction (`--horizontal-pod-autoscaler-tolerance`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadTrigger:
    """A load per replica, and how long it has to last."""

    utilization_fraction: float
    for_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaLimit:
    """The most replicas that change within a time."""

    replicas: int
    per_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledScaling:
    """Values for some times of the week."""

    name: str
    days: tuple[Day, ...]
    start: str
    """HH:MM."""
    end: str
    time_zone: str
    utilization_fraction: float | None
    minimum_replicas: int
    """1 where the schedule states none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingPolicy:
    """When and how the number of replicas of a group changes."""

    minimum_replicas: int
    maximum_replicas: int
    requests_per_replica: int
    """Requests that a replica runs at the same time."""
    kv_cache_full_fraction: float
    scale_up: LoadTrigger
    scale_down: LoadTrigger
    target_utilization_fraction: float
    scale_up_limit: ReplicaLimit
    scale_down_limit: ReplicaLimit
    emergency_utilization_fraction: float
    emergency_limit: ReplicaLimit
    quality_floor_fraction: float
    """While the measured quality is below it, no replica is removed: its load would move to the others."""
    schedules: tuple[ScheduledScaling, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupState:
    """The state of a group that a policy decides from. Loads are in replicas."""

    load: float
    """Now."""
    sustained_load: float
    """The lowest load of the last `scale_up.for_s`."""
    replicas: int
    """Replicas that are asked for at present, also those that are starting."""
    starting: int
    earlier_replicas: int
    """The fewest replicas of the last `scale_up_limit.per_s`."""
    quality_fraction: float = 1
    schedules: frozenset[str] = frozenset()
    """Names of the schedules that hold now."""


def plan_scaling(
    settings: Autoscaling,
    *,
    minimum_replicas: int,
    maximum_replicas: int,
    workers_per_replica: float,
    quality_floor_fraction: float,
) -> ScalingPolicy:
    """Return the policy of a group of workers.

    Args:
        settings: the section `autoscaling`. It counts workers.
        minimum_replicas: fewest replicas. On-demand nodes have to hold them.
        maximum_replicas: most replicas.
        workers_per_replica: workers whose GPUs a replica uses.
        quality_floor_fraction: the lowest quality that the environment accepts.
    """

    def count(workers: int) -> int:
        return max(1, round(workers / workers_per_replica))

    up, down, emergency = settings.scale_up, settings.scale_down, settings.emergency
    return ScalingPolicy(
        minimum_replicas=minimum_replicas,
        maximum_replicas=maximum_replicas,
        requests_per_replica=settings.requests_per_replica,
        kv_cache_full_fraction=settings.kv_cache_full_fraction,
        scale_up=LoadTrigger(utilization_fraction=up.utilization_fraction, for_s=up.for_s),
        scale_down=LoadTrigger(utilization_fraction=down.utilization_fraction, for_s=down.for_s),
        target_utilization_fraction=settings.target_utilization_fraction,
        scale_up_limit=ReplicaLimit(
            replicas=count(settings.scale_up_limit.workers), per_s=settings.scale_up_limit.per_s
        ),
        scale_down_limit=ReplicaLimit(
            replicas=count(settings.scale_down_limit.workers), per_s=settings.scale_down_limit.per_s
        ),
        emergency_utilization_fraction=emergency.utilization_fraction,
        emergency_limit=ReplicaLimit(replicas=count(emergency.workers), per_s=emergency.per_s),
        quality_floor_fraction=quality_floor_fraction,
        schedules=tuple(
            _plan_schedule(schedule, ceil((schedule.minimum_workers or 1) / workers_per_replica))
            for schedule in settings.schedules
        ),
    )


def decide_replicas(policy: ScalingPolicy, state: GroupState) -> int:
    """Return the number of replicas that a policy asks for, before Kubernetes applies windows and limits of its own."""
    replicas = state.replicas
    emergency = state.load > policy.emergency_utilization_fraction * replicas
    needed = max(state.sustained_load, state.load if emergency else 0)
    result: float = replicas
    if needed > _find_scale_up_fraction(policy, state.schedules) * replicas:
        wanted = ceil(needed / policy.target_utilization_fraction)
        result = max(wanted - state.starting, replicas)
        if not emergency:
            result = min(result, state.earlier_replicas + policy.scale_up_limit.replicas)
            result = max(result, replicas)
    elif (
        state.load < policy.scale_down.utilization_fraction * replicas
        and state.quality_fraction >= policy.quality_floor_fraction
    ):
        result = ceil(state.load / policy.target_utilization_fraction)
    scheduled = [item.minimum_replicas for item in policy.schedules if item.name in state.schedules]
    result = max(result, 1, *scheduled)
    if result > replicas:
        # A smaller change would be ignored.
        result = max(result, replicas * (1 + AUTOSCALER_TOLERANCE) + 0.01)
    return min(max(ceil(result), policy.minimum_replicas), policy.maximum_replicas)


def _find_scale_up_fraction(policy: ScalingPolicy, schedules: frozenset[str]) -> float:
    """Return the utilization above which replicas are added, while some schedules hold."""
    fraction = policy.scale_up.utilization_fraction
    for schedule in policy.schedules:
        if schedule.name in schedules and schedule.utilization_fraction is not None:
            fraction = schedule.utilization_fraction
    return fraction


def _plan_schedule(schedule: Schedule, minimum_replicas: int) -> ScheduledScaling:
    return ScheduledScaling(
        name=schedule.name,
        days=schedule.days,
        start=schedule.start,
        end=schedule.end,
        time_zone=schedule.time_zone,
        utilization_fraction=schedule.utilization_fraction,
        minimum_replicas=minimum_replicas,
    )
