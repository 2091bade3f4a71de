"""The most important figures of a plan in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.regions import RegionPlan


def summarize_plan(plan: EnvironmentPlan) -> str:
    """Return GPUs, price and failover time in one line."""
    failover = f"; clients leave a failed region within {plan.recovery.rto_s} s" if plan.recovery else ""
    price = f"{plan.cost.usd_per_hour:,.2f} USD/h = {plan.cost.usd_per_month:,.0f} USD/month at list price"
    return f"{count_gpus(plan.regions)}, {price}{failover}"


def count_gpus(regions: Sequence[RegionPlan]) -> str:
    """Return the number of GPUs of each type that workers have in these regions at the start."""
    found: Counter[str] = Counter()
    for region in regions:
        gpu = next((item.machine.gpu for item in region.machines if item.machine.gpu), "GPU")
        found[gpu] += region.gpus
    return " + ".join(f"{number} × {gpu}" for gpu, number in found.items())
