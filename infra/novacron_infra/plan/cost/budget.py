"""The cost of an environment compared with its budget.

The cost is that of the machines at list price: `EnvironmentCost.not_included` names the rest, so a month costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_infra.config import CloudEnvironment
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem
from novacron_infra.plan.cost.environment import EnvironmentCost
from novacron_infra.plan.cost.machines import HOURS_PER_MONTH
from novacron_infra.plan.regions import RegionPlan

_PATH = "budget.usd_per_month"


def check_budget(config: CloudEnvironment, cost: EnvironmentCost) -> list[Problem]:
    """Return a problem if the machines at the start cost more than the budget.

    Where machines are bought at a discount that the list price does not have, the plan only warns.
    """
    budget = config.budget
    if budget is None or cost.discounts or cost.usd_per_month <= budget.usd_per_month:
        return []
    rule = f"the machines at the start cost {cost.usd_per_month:,.0f} USD/month"
    details = [
        f"{item.machines.role}: {item.machines.count} × {item.machines.machine.name} at {item.usd_per_hour_each:,.2f} "
        f"USD/h = {item.usd_per_hour * HOURS_PER_MONTH:,.0f} USD/month"
        for item in cost.machines
        if item.usd_per_hour is not None
    ]
    return [problem(_PATH, budget.usd_per_month, rule, "Raise the budget, or use fewer or other machines", details)]


def list_budget_warnings(
    config: CloudEnvironment, cost: EnvironmentCost, regions: Sequence[RegionPlan]
) -> Iterator[str]:
    """Yield how the cost comes near the budget, can grow above it, or cannot be compared with it."""
    budget = config.budget
    if budget is None:
        return
    of_budget = f"of the budget, {budget.usd_per_month:,.0f} USD/month"
    reached = [
        percent for percent in budget.thresholds_percent if cost.usd_per_month > budget.usd_per_month * percent / 100
    ]
    if cost.usd_per_month > budget.usd_per_month:
        yield (
            f"the machines at the start cost {cost.usd_per_month:,.0f} USD/month at on-demand list prices, "
            f"{cost.usd_per_month / budget.usd_per_month:.0%} {of_budget}; {' and '.join(cost.discounts)} may lower it"
        )
    elif reached:
        yield (
            f"the machines at the start cost {cost.usd_per_month:,.0f} USD/month, more than {max(reached)}% {of_budget}"
        )
    most = cost.usd_per_month + _price_growth(cost, regions)
    if most > max(budget.usd_per_month, cost.usd_per_month):
        yield (
            f"at the maximum of workers the machines cost {most:,.0f} USD/month, "
            f"{most / budget.usd_per_month:.0%} {of_budget}"
        )
    unpriced = dict.fromkeys(item.machines.machine.name for item in cost.machines if item.usd_per_hour is None)
    if unpriced:
        yield f"the budget is compared with a cost without {' and '.join(unpriced)}: no public price"


def _price_growth(cost: EnvironmentCost, regions: Sequence[RegionPlan]) -> float:
    """Return the USD per month of the GPU machines that autoscaling adds at most."""
    return sum(
        (item.usd_per_hour_each or 0.0) * (region.maximum_nodes - region.nodes) * HOURS_PER_MONTH
        for region in regions
        for item in cost.find_region(region.name).machines
        if item.machines.role == "workers"
    )
