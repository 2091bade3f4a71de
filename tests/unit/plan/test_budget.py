"""The budget: over it the plan refuses an environment, near it and where it can grow above it the plan warns."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.plan import PlanError, plan_to_json
from novacron_ops.plan_report import describe_plan

from tests.unit.config.environments import SMALL, change, find_problems, plan, read_stack

DEV = read_stack("dev")

COST = plan(DEV).cost.usd_per_month
AUTOSCALED = change(DEV, {"workers.maximum": 16}) | {"autoscaling": {}}


def with_budget(part: float, values: dict[str, Any] = DEV, **more: object) -> dict[str, Any]:
    """Return an environment with a budget of which its machines use this part at the start."""
    return values | {"budget": {"usd_per_month": round(COST / part, 2), **more}}


@pytest.mark.parametrize("part", [1.01, 2, 100])
def test_an_environment_above_its_budget_is_refused_with_the_arithmetic(part: float) -> None:
    with pytest.raises(PlanError) as caught:
        plan(with_budget(part))
    (problem,) = caught.value.problems
    assert problem.path == "novacron:environment.budget.usd_per_month"
    assert problem.rule == f"the machines at the start cost {COST:,.0f} USD/month"
    assert [line.partition(" at ")[0] for line in problem.details] == [
        "coordinators: 1 × c6i.8xlarge",
        "workers: 1 × p5.48xlarge",
    ]


@pytest.mark.parametrize(
    ("part", "thresholds", "warned"),
    [(0.5, [80], None), (0.81, [80], 80), (0.95, [50, 90], 90), (0.7, [90, 50], 50), (1, [100], None)],
)
def test_the_plan_warns_of_the_highest_threshold_that_is_reached(
    part: float, thresholds: list[int], warned: int | None
) -> None:
    warnings = plan(with_budget(part, thresholds_percent=thresholds)).warnings
    assert [f"more than {warned}% of the budget" in text for text in warnings] == [True] * (warned is not None)


def test_autoscaling_above_the_budget_is_a_warning() -> None:
    (warning,) = plan(with_budget(0.75, AUTOSCALED)).warnings
    assert warning.startswith("at the maximum of workers the machines cost ")
    assert plan(with_budget(0.5, AUTOSCALED)).warnings == ()


def test_spot_machines_above_the_budget_are_a_warning_because_their_price_is_lower() -> None:
    spot = change(AUTOSCALED, {"workers.capacity": {"kind": "spot", "fraction": 0.5}})
    warnings = plan(with_budget(1.5, spot)).warnings
    assert "150% of the budget" in warnings[0]
    assert "the discount of 50% spot workers may lower it" in warnings[0]


def test_machines_without_a_price_are_named() -> None:
    values = read_stack("prod-azure", "examples/environments")
    planned = plan(values | {"budget": {"usd_per_month": 10_000_000}})
    unpriced = {item.machines.machine.name for item in planned.cost.machines if item.usd_per_hour is None}
    assert bool(unpriced) == any("no public price" in text for text in planned.warnings)


def test_the_report_and_the_json_have_the_budget() -> None:
    planned = plan(with_budget(0.5))
    assert any(line.strip().startswith("50% of the budget, ") for line in describe_plan(planned))
    found = plan_to_json(planned)["budget"]
    assert found is not None
    assert (found["thresholds_percent"], found["used_fraction"]) == ([80], 0.5)
    assert plan_to_json(plan(DEV))["budget"] is None


@pytest.mark.parametrize(
    ("budget", "path"),
    [
        ({"usd_per_month": 0}, "budget.usd_per_month"),
        ({"usd_per_month": "1000"}, "budget.usd_per_month"),
        ({}, "budget.usd_per_month"),
        ({"usd_per_month": 1000, "thresholds_percent": [0]}, "budget.thresholds_percent.0"),
        ({"usd_per_month": 1000, "thresholds_percent": [0.8]}, "budget.thresholds_percent.0"),
        ({"usd_per_month": 1000, "thresholds_percent": []}, "budget.thresholds_percent"),
    ],
)
def test_an_invalid_budget_is_refused(budget: dict[str, object], path: str) -> None:
    assert set(find_problems(SMALL | {"budget": budget})) == {path}
