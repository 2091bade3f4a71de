"""`coordinators`: the processes that clients talk to."""

from __future__ import annotations

from enum import Enum

from novacron_infra.config.sections.base import Instances, Name, Port, Section
from novacron_infra.config.sections.hardware import Hardware, Resources


class CoordinatorMode(str, Enum):
    """How several coordinators share the work."""

    SINGLE = "single"
    HIGHLY_AVAILABLE = "highly-available"
    ACTIVE_ACTIVE_STANDBY = "active-active-standby"


class Coordinators(Section):
    """The coordinators."""

    count: Instances
    """Coordinators of each region."""
    mode: CoordinatorMode
    machine: Name
    """A machine of the catalogue."""
    hardware: Hardware
    resources: Resources = Resources(cpu_request=16, cpu_limit=32, memory_request_gib=64, memory_limit_gib=128)
    http_port: Port = 8080
    """HTTP API."""
    grpc_port: Port = 9090
    """Where workers register."""
