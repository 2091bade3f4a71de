"""The serving stack that the plan decides for production's first region, in each cloud."""

from __future__ import annotations

from typing import Any

from novacron_infra.plan.serving import RegionServing, plan_region_serving

from tests.unit.config.environments import plan, read_stack

STACKS = {
    "aws": ("prod", "."),
    "gcp": ("prod-gcp", "examples/environments"),
    "azure": ("prod-azure", "examples/environments"),
}
"""Name and folder of production's stack by cloud."""


def serve(cloud: str = "aws", **changes: Any) -> RegionServing:
    """Return the serving stack of production's first region in a cloud, after changes of sections of its stack."""
    values = read_stack(*STACKS[cloud])
    for section, change in changes.items():
        values[section] = values.get(section, {}) | change
    planned = plan(values)
    return plan_region_serving(planned, planned.regions[0])
