"""The machines of an environment, where they lack requested hardware, and container requests that do not fit."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.catalog import Machine
from novacron_infra.config import Hardware, Resources, Role
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem


@dataclass(frozen=True)
class MachinePlan:
    """The machines of one role."""

    role: Role
    machine: Machine
    count: int
    stated_usd_per_hour: float | None = None
    """Price of one machine as the configuration states it, for reservations. None: the list price counts."""


@dataclass(frozen=True)
class Shortfall:
    """A machine, or a worker's share of one, that has less hardware than the configuration requests."""

    role: str
    what: str
    """The unit and the hardware, such as "GiB of memory"."""
    available: float | None
    """None where no source states it."""
    requested: float

    def __str__(self) -> str:
        available = "an unverified amount" if self.available is None else f"{self.available:g}"
        return f"{self.role}: {available} of the {self.requested:g} requested {self.what}"


def find_shortfalls(role: str, requested: Hardware, machine_type: Machine, share: float = 1) -> list[Shortfall]:
    """Return the hardware of which a machine has less than requested.

    Args:
        role: the role, as the result names it.
        requested: the hardware that the configuration requests.
        machine_type: the machine.
        share: the part of the machine that counts, as a fraction.
    """
    nvme_tb = None if machine_type.local_nvme_gb is None else machine_type.local_nvme_gb / 1000
    pairs = (
        ("cores (counted in vCPUs)", machine_type.vcpus, requested.cores),
        ("GiB of memory", machine_type.memory_gib, requested.memory_gib),
        ("TB of local NVMe", nvme_tb, requested.nvme_tb),
        ("Gbit/s of network bandwidth", machine_type.network_gbps, requested.network_gbps),
    )
    return [
        Shortfall(role, what, None if available is None else available * share, amount)
        for what, available, amount in pairs
        if available is None or available * share < amount
    ]


def check_requests(role: str, resources: Resources, machine_type: Machine, pods: int) -> list[Problem]:
    """Return a problem for each request of `pods` pods that leaves nothing of a machine for its node."""
    return [
        problem(
            f"{role}.resources.{what}",
            request,
            f"{pods} × {request:g} on a {machine_type.name} with {capacity:g}, and a node keeps some for itself",
            f"Request less than {capacity / pods:g}, or use a larger machine",
        )
        for what, request, capacity in (
            ("cpu_request", resources.cpu_request, machine_type.vcpus),
            ("memory_request_gib", resources.memory_request_gib, machine_type.memory_gib),
        )
        if request * pods >= capacity
    ]
