"""The cost of an environment, from the dated list prices of the catalogue."""

from novacron_infra.plan.cost.budget import check_budget, list_budget_warnings
from novacron_infra.plan.cost.environment import EnvironmentCost, RegionCost, calculate_cost
from novacron_infra.plan.cost.machines import HOURS_PER_MONTH, MachineCost

__all__ = [
    "HOURS_PER_MONTH",
    "EnvironmentCost",
    "MachineCost",
    "RegionCost",
    "calculate_cost",
    "check_budget",
    "list_budget_warnings",
]
