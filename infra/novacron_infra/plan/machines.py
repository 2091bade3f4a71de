"""Machines of an environment: what they cost, where they have less than wished, and what they cannot schedule."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.catalog import Machine, Price
from novacron_infra.config import Hardware, Resources
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem


@dataclass(frozen=True)
class MachinePlan:
    """The machines of one role."""

    role: str
    machine: Machine
    count: int

    @property
    def usd_per_hour(self) -> float | None:
        """On-demand list price of all of them, in the region that the catalogue names; None: no public price."""
        price = self.machine.price
        return price.usd_per_hour * self.count if isinstance(price, Price) else None


@dataclass(frozen=True)
class Shortfall:
    """A machine, or its share, has less than the configuration wishes. `had` is None where nobody verified it."""

    role: str
    what: str
    had: float | None
    wished: float

    def __str__(self) -> str:
        had = "an unverified amount" if self.had is None else f"{self.had:g}"
        return f"{self.role}: {self.what} {had} of {self.wished:g}"


def shortfalls(role: str, wished: Hardware, row: Machine, share: float = 1) -> list[Shortfall]:
    """Where `share` of a machine has less than `wished`."""
    nvme_tb = None if row.local_nvme_gb is None else row.local_nvme_gb / 1000
    pairs = (
        ("vCPUs for cores", row.vcpus, wished.cores),
        ("memory GiB", row.memory_gib, wished.memory_gib),
        ("local NVMe TB", nvme_tb, wished.nvme_tb),
        ("network Gb/s", row.network_gbps, wished.network_gbps),
    )
    return [
        Shortfall(role, what, None if has is None else has * share, wish)
        for what, has, wish in pairs
        if has is None or has * share < wish
    ]


def unschedulable(role: str, resources: Resources, row: Machine, pods: int) -> list[Problem]:
    """Requests of `pods` pods that leave a machine nothing for itself."""
    return [
        problem(
            f"{role}.resources.{what}",
            f"{request:g}",
            f"{pods} × {request:g} on a {row.name} with {has:g}, and a node keeps some for itself",
            f"Request less than {has / pods:g}, or use a larger machine",
        )
        for what, request, has in (
            ("cpu_request", resources.cpu_request, row.vcpus),
            ("memory_request_gib", resources.memory_request_gib, row.memory_gib),
        )
        if request * pods >= has
    ]
