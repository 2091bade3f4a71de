"""Values that several charts have in the same form."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Values

REPLICAS = 2
"""Replicas of a controller with leader election: an upgrade of its node does not stop it."""


@dataclass(frozen=True, kw_only=True)
class Switch(Values):
    """A part of a chart that is on or off."""

    enabled: bool


@dataclass(frozen=True, kw_only=True)
class Replicas(Values):
    """A part of a chart with a number of replicas."""

    replica_count: int = REPLICAS


@dataclass(frozen=True, kw_only=True)
class DisruptionBudget(Values):
    """A pod disruption budget. It evicts one pod at a time."""

    enabled: bool = True
    max_unavailable: int = 1


@dataclass(frozen=True, kw_only=True)
class SeccompProfile(Values):
    """The system calls that a container may use."""

    type: str = "RuntimeDefault"


@dataclass(frozen=True, kw_only=True)
class Capabilities(Values):
    """Capabilities of a container."""

    drop: tuple[str, ...] = ("ALL",)
    add: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PodSecurityContext(Values):
    """Rights of a pod, as the Pod Security Standard `restricted` asks for."""

    run_as_non_root: bool = True
    seccomp_profile: SeccompProfile = SeccompProfile()


@dataclass(frozen=True, kw_only=True)
class ExporterMonitor(Values):
    """How Prometheus finds the DCGM exporter. Labels of the pod that uses a GPU win over those of the exporter."""

    enabled: bool
    interval: str
    honor_labels: bool = True
