"""The list price of machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from novacron_infra.catalog import Price
from novacron_infra.plan.machines import MachinePlan

HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class MachineCost:
    """The price of the machines of one role: as the configuration states it, or the on-demand list price."""

    machines: MachinePlan
    price: Price | None
    """The list price of one machine, with the region that has it; None when the machine has no public price."""

    @property
    def usd_per_hour_each(self) -> float | None:
        """USD per hour of one machine, or None when it has no public price."""
        if self.machines.stated_usd_per_hour is not None:
            return self.machines.stated_usd_per_hour
        return None if self.price is None else self.price.usd_per_hour

    @property
    def usd_per_hour(self) -> float | None:
        """USD per hour for all machines, or None when they have no public price."""
        each = self.usd_per_hour_each
        return None if each is None else each * self.machines.count


def add_usd_per_hour(costs: Iterable[MachineCost]) -> float:
    """Return the USD per hour of all machines that have a public price."""
    return sum(item.usd_per_hour or 0.0 for item in costs)
