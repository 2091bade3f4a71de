"""`hardware` and `resources`: the hardware that a process needs, and the requests and limits of its container."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import PositiveFloat, PositiveInt

from novacron_infra.config.sections.base import Cpus, Gib, Section

Role: TypeAlias = Literal["coordinators", "workers", "storage"]
"""The purpose of a machine, which is also the key of its section."""


class Hardware(Section):
    """The hardware that one coordinator, worker or storage node needs. The plan compares it with the machine."""

    cores: PositiveInt
    """CPU cores."""
    memory_gib: PositiveFloat
    """Main memory in GiB."""
    nvme_tb: PositiveFloat
    """Local NVMe storage in TB (10^12 bytes)."""
    network_gbps: PositiveFloat
    """Network bandwidth in Gbit/s (10^9 bits a second)."""


class Resources(Section):
    """Requests and limits of a container."""

    cpu_request: Cpus
    """CPUs that the scheduler reserves."""
    cpu_limit: Cpus
    """CPUs that the container uses at most."""
    memory_request_gib: Gib
    """Memory in GiB that the scheduler reserves."""
    memory_limit_gib: Gib
    """Memory in GiB that the container uses at most."""
