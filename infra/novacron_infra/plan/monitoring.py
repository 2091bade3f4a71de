"""Decides which monitors, rules and dashboards a serving stack gets from the add-ons of its cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from novacron_infra.config import AddOn, AddOns, Monitoring, ServingTargets


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusObjects:
    """Settings of the monitors, rules and dashboards of a serving stack."""

    targets: ServingTargets = field(default_factory=ServingTargets)
    """Targets of the stack. An alert tells when one is missed."""
    scrape_interval_s: int = 15
    grafana: bool = True
    """Whether the cluster has Grafana, which loads dashboards from ConfigMaps."""
    gpus_per_node: int = 0
    """GPUs of each worker's machine in the catalogue. 0: no alerts on GPUs."""
    certificates: bool = False
    """Whether cert-manager is in the cluster."""
    runbooks_url: str | None = None
    """Where docs/runbooks is published. None: alerts name the page in the repository."""


def plan_monitoring(
    add_ons: AddOns, targets: ServingTargets, monitoring: Monitoring, gpus_per_node: int
) -> PrometheusObjects | None:
    """Return the settings of monitors, rules and dashboards. None: the cluster has no Prometheus operator.

    Args:
        add_ons: the add-ons of the cluster, as `AddOns.fill` returns them.
        targets: targets of the stack.
        monitoring: the environment's settings.
        gpus_per_node: GPUs of each worker's machine.
    """
    if add_ons.monitoring is AddOn.NONE:
        return None
    return PrometheusObjects(
        targets=targets,
        scrape_interval_s=monitoring.scrape_interval_s,
        grafana=monitoring.grafana,
        gpus_per_node=gpus_per_node,
        certificates=add_ons.cert_manager is not AddOn.NONE,
        runbooks_url=monitoring.runbooks_url,
    )
