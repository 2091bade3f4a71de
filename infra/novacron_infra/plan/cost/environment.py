"""The list price of an environment and its regions, and what it does not include."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novacron_infra.catalog import Machine, Price, find_price
from novacron_infra.config import CloudEnvironment, DatabaseStatements, Detector, Role
from novacron_infra.config.sections.capacity import (
    CapacityBlock,
    FlexStartCapacity,
    QueuedCapacity,
    ReservationCapacity,
    SpotCapacity,
)
from novacron_infra.plan.cost.machines import HOURS_PER_MONTH, MachineCost, add_usd_per_hour
from novacron_infra.plan.machines import MachinePlan
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.plan.security import list_threat_detectors

_NEVER_INCLUDED = ("Kubernetes control planes", "network and load balancers", "object, block and file storage")


@dataclass(frozen=True)
class RegionCost:
    """The on-demand list price of the machines of one region."""

    region: str
    machines: tuple[MachineCost, ...]

    @property
    def usd_per_hour(self) -> float:
        """USD per hour of the machines that have a public price."""
        return add_usd_per_hour(self.machines)

    @property
    def usd_per_month(self) -> float:
        """USD per month of 730 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH


@dataclass(frozen=True)
class EnvironmentCost:
    """The on-demand list price of the machines of an environment."""

    regions: tuple[RegionCost, ...]
    """In the order of the configuration."""
    machines: tuple[MachineCost, ...]
    """The machines of all regions, by role, machine type and price."""
    discounts: tuple[str, ...]
    """Discounts that the price does not include: with any, it is an upper bound of what these machines cost."""
    not_included: tuple[str, ...]
    """Costs and discounts that the price does not include."""

    @property
    def usd_per_hour(self) -> float:
        """USD per hour of the machines that have a public price."""
        return sum(region.usd_per_hour for region in self.regions)

    @property
    def usd_per_month(self) -> float:
        """USD per month of 730 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH

    def list_warnings(self) -> list[str]:
        """Return what is paid for and not used: nothing of the serving stack runs on storage nodes."""
        nodes = [item for item in self.machines if item.machines.role == "storage"]
        if not nodes:
            return []
        shown = " and ".join(f"{item.machines.count} × {item.machines.machine.name}" for item in nodes)
        saved = add_usd_per_hour(nodes)
        return [
            f"nothing of the serving stack runs on the storage nodes ({shown}): without "
            f"`storage` the environment costs {saved:,.2f} USD/h less, {saved * HOURS_PER_MONTH:,.0f} USD/month"
        ]

    def find_region(self, name: str) -> RegionCost:
        """Return the cost of the region of this name. Raises StopIteration for a region that is not in the plan."""
        return next(region for region in self.regions if region.region == name)


def calculate_cost(config: CloudEnvironment, regions: Sequence[RegionPlan]) -> EnvironmentCost:
    """Return the list price of an environment. A region without a price of a machine has that of another region.

    Args:
        config: the configuration.
        regions: the plan of each region.
    """
    costs = tuple(
        RegionCost(
            region.name,
            tuple(MachineCost(item, find_price(item.machine.name, region.name)) for item in region.machines),
        )
        for region in regions
    )
    discounts = tuple(dict.fromkeys(_list_discounts(config)))
    return EnvironmentCost(
        regions=costs,
        machines=tuple(_add_machines(costs)),
        discounts=discounts,
        not_included=tuple(_list_not_included(config, costs, discounts)),
    )


def _add_machines(regions: Sequence[RegionCost]) -> Iterator[MachineCost]:
    """Yield the machines of all regions with the same role, type and price, in the order of roles and regions."""
    roles: list[Role] = [item.machines.role for item in regions[0].machines]
    for role in roles:
        items = [item for region in regions for item in region.machines if item.machines.role == role]
        prices: dict[tuple[Machine, Price | None, float | None], int] = {}
        for item in items:
            key = (item.machines.machine, item.price, item.machines.stated_usd_per_hour)
            prices[key] = prices.get(key, 0) + item.machines.count
        for (machine, price, stated), count in prices.items():
            yield MachineCost(MachinePlan(role, machine, count, stated), price)


def _list_discounts(config: CloudEnvironment) -> Iterator[str]:
    for region in config.regions:
        capacity = config.find_capacity(region)
        match capacity:
            case SpotCapacity():
                yield f"the discount of {capacity.fraction:.0%} spot workers"
            case FlexStartCapacity() | QueuedCapacity():
                yield f"the discount of {capacity.kind.value} machines"
            case ReservationCapacity() | CapacityBlock() if capacity.usd_per_hour is None:
                yield f"the difference between the price of the {capacity.kind.value} and the on-demand list price"
            case _:
                pass


def _list_audit_records(config: CloudEnvironment) -> Iterator[str]:
    """Yield the records for auditors, which clouds bill by the GB: how much is written depends on the requests."""
    audit, traffic = config.security.audit, config.traffic
    if audit.model_access:
        yield "logs of requests to models"
    if audit.database_statements is not DatabaseStatements.NONE:
        yield "statements in the logs of the databases"
    if traffic is not None and traffic.query_logs and traffic.existing_zone is None:
        yield "query logs of the DNS zone"


def _list_not_included(
    config: CloudEnvironment, regions: Sequence[RegionCost], discounts: Sequence[str]
) -> Iterator[str]:
    machines = [
        (region.region, item.machines.role, item)
        for region in regions
        for item in region.machines
        if item.machines.stated_usd_per_hour is None
    ]
    yield from dict.fromkeys(
        f"{role}: {cost.machines.machine.name} has no public price" for _, role, cost in machines if cost.price is None
    )
    regions_by_base: dict[tuple[str, str], dict[str, None]] = {}
    for region, _, cost in machines:
        if cost.price is not None and cost.price.region != region:
            regions_by_base.setdefault((cost.machines.machine.name, cost.price.region), {})[region] = None
    for (name, base), others in regions_by_base.items():
        yield f"{name}: the difference between the price in {base} and those in {', '.join(others)}"
    yield from discounts
    if len(regions) > 1:
        yield "replication and traffic between regions"
    yield from _list_audit_records(config)
    for item in list_threat_detectors(config):
        if item.detector is Detector.MANAGED:
            yield item.service
    yield from _NEVER_INCLUDED
