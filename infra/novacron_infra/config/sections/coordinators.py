"""`coordinators`: the processes that clients talk to."""

from __future__ import annotations

from enum import Enum

from novacron_infra.config.sections.base import ContainerPort, Instances, Name, Section
from novacron_infra.config.sections.hardware import Hardware, Resources

HTTPS_PORT, METRICS_PORT = 8443, 9464
"""Ports of the coordinators' pods that cannot be changed: the API with TLS, and the metrics."""


class CoordinatorMode(str, Enum):
    """How the coordinators of a region share the work."""

    SINGLE = "single"
    """One coordinator."""
    HIGHLY_AVAILABLE = "highly-available"
    """Two or more."""
    ACTIVE_ACTIVE_STANDBY = "active-active-standby"
    """Three or more: two active and the others on standby."""


class Coordinators(Section):
    """The coordinators: the processes that clients talk to."""

    count: Instances
    """Number of coordinators in each region."""
    mode: CoordinatorMode
    """How the coordinators share the work.
    `single` needs exactly one, `highly-available` two or more, and `active-active-standby` three or more."""
    machine: Name
    """Machine type of the coordinators, a name from the catalogue such as i4i.16xlarge."""
    hardware: Hardware | None = None
    """Hardware that one coordinator needs. The plan reports where the machine has less.
    Without it, the machine is taken as it is."""
    resources: Resources = Resources(cpu_request=16, cpu_limit=32, memory_request_gib=64, memory_limit_gib=128)
    """Requests and limits of a coordinator's container."""
    http_port: ContainerPort = 8080
    """Port of the OpenAI-compatible HTTP API."""
    grpc_port: ContainerPort = 9090
    """Port where workers register."""
