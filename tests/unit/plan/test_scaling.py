"""The scaling policy: how many replicas it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.config import Autoscaling, Emergency, RateLimit, Schedule
from novacron_infra.config.sections.autoscaling import Day
from novacron_infra.plan.scaling import GroupState, ScalingPolicy, decide_replicas, plan_scaling

WORKDAYS = (Day.MONDAY, Day.TUESDAY, Day.WEDNESDAY, Day.THURSDAY, Day.FRIDAY)
SETTINGS = Autoscaling(
    scale_up_limit=RateLimit(workers=8, per_s=300),
    emergency=Emergency(utilization_fraction=1.5, workers=32, per_s=60),
    schedules=(
        Schedule(name="working_hours", days=WORKDAYS, start="09:00", end="17:00", minimum_workers=24),
        Schedule(name="weekend", days=(Day.SATURDAY, Day.SUNDAY), utilization_fraction=0.95, minimum_workers=8),
    ),
)
POLICY = plan_scaling(
    SETTINGS,
    minimum_replicas=2,
    maximum_replicas=32,
    workers_per_replica=4,
    quality_floor_fraction=0.97,
)
"""A replica has four workers, so the limits are 2 replicas up, 2 down and 8 in an emergency."""
QUIET = GroupState(load=5, sustained_load=5, replicas=10, starting=0, earlier_replicas=10)


def test_limits_are_counted_in_replicas() -> None:
    assert (POLICY.scale_up_limit.replicas, POLICY.scale_down_limit.replicas) == (2, 2)
    assert POLICY.emergency_limit.replicas == 8
    assert [item.minimum_replicas for item in POLICY.schedules] == [6, 2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # between the two fractions nothing changes
        ({"load": 5}, 10),
        ({"load": 7.9, "sustained_load": 7.9}, 10),
        ({"load": 4.1}, 10),
        # above 80% for the whole time: 9 / 0.6 = 15, and the limit is 2
        ({"load": 9, "sustained_load": 9}, 12),
        # a burst that has not lasted changes nothing
        ({"load": 14, "sustained_load": 5}, 10),
        # an emergency does not wait, and has no limit but the autoscaler's
        ({"load": 16, "sustained_load": 5}, 27),
        # replicas that are starting are subtracted, and never shrink the group
        ({"load": 9, "sustained_load": 9, "starting": 4}, 12),
        ({"load": 9, "sustained_load": 9, "starting": 5}, 10),
        ({"load": 16, "sustained_load": 16, "starting": 10}, 17),
        # the limit counts from the fewest replicas of its time
        ({"load": 10, "sustained_load": 10, "earlier_replicas": 8}, 10),
        # below 40%: 3 / 0.6 = 5
        ({"load": 3, "sustained_load": 1}, 5),
        ({"load": 0, "sustained_load": 0}, 2),
        # the floor of quality keeps replicas, and does not keep them from being added
        ({"load": 3, "sustained_load": 1, "quality_fraction": 0.96}, 10),
        ({"load": 9, "sustained_load": 9, "quality_fraction": 0.96}, 12),
        # schedules: a minimum, and a higher utilization
        ({"load": 3, "sustained_load": 1, "schedules": frozenset({"working_hours"})}, 6),
        ({"load": 9, "sustained_load": 9, "schedules": frozenset({"weekend"})}, 10),
        ({"replicas": 2, "earlier_replicas": 2, "load": 1, "schedules": frozenset({"working_hours"})}, 6),
        # never more than the maximum
        ({"load": 200, "sustained_load": 200}, 32),
    ],
)
def test_replicas_follow_the_load(change: dict[str, Any], expected: int) -> None:
    assert decide_replicas(POLICY, replace(QUIET, **change)) == expected


def test_a_small_step_is_large_enough_for_kubernetes_to_take_it() -> None:
    crowded = GroupState(load=20, sustained_load=18, replicas=22, starting=0, earlier_replicas=22)
    # The limit is 2 of 22, less than the tolerance of 10%.
    assert decide_replicas(POLICY, crowded) == 25


def run(policy: ScalingPolicy, loads: list[float], *, load_steps: int = 8, step_s: int = 60) -> list[int]:
    """Return the replicas after each step, for a group whose replicas take some steps to start."""
    started = [policy.minimum_replicas]
    requested = [policy.minimum_replicas]
    for index, load in enumerate(loads):
        window = loads[max(0, index + 1 - policy.scale_up.for_s // step_s) : index + 1]
        ready = min(requested[max(0, len(requested) - load_steps)], requested[-1])
        state = GroupState(
            load=load,
            sustained_load=min(window) if len(window) * step_s >= policy.scale_up.for_s else 0,
            replicas=requested[-1],
            starting=requested[-1] - ready,
            earlier_replicas=min(requested[-policy.scale_up_limit.per_s // step_s :]),
        )
        started.append(ready)
        requested.append(decide_replicas(policy, state))
    return requested


def test_a_ramp_is_followed_without_overshoot() -> None:
    loads = [1 + 0.1 * minute for minute in range(120)] + [13.0] * 60
    replicas = run(POLICY, loads)
    assert max(replicas) <= 13 / 0.6 + 2
    assert replicas[-1] * 0.4 <= 13 <= replicas[-1] * 0.8
    assert replicas == sorted(replicas)


def test_a_steady_load_does_not_make_the_group_oscillate() -> None:
    replicas = run(POLICY, [10.0] * 180)
    assert len(set(replicas[60:])) == 1
