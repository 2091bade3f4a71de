"""`hardware` and `resources`: the machine that a role needs, and the requests and limits of its container."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from novacron_infra.config.sections.base import Section


class Hardware(Section):
    """What one coordinator, worker or storage node is wished to have; the plan compares it with the machine."""

    cores: PositiveInt
    """CPU cores."""
    memory_gib: PositiveFloat
    """Main memory."""
    nvme_tb: PositiveFloat
    """Local NVMe, 10^12 bytes."""
    network_gbps: PositiveFloat
    """Network bandwidth, 10^9 bits a second."""


class Resources(Section):
    """Requests and limits of a container."""

    cpu_request: PositiveFloat
    """CPUs that the scheduler sets aside."""
    cpu_limit: PositiveFloat
    """CPUs at most."""
    memory_request_gib: PositiveFloat
    """Memory that the scheduler sets aside."""
    memory_limit_gib: PositiveFloat
    """Memory at most."""
