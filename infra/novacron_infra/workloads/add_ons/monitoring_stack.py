"""kube-prometheus-stack: Prometheus with its operator, Alertmanager, Grafana, and metrics of nodes and objects.

The stack's own rules, monitors and dashboards are objects of their own, and not values of the chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.workloads.add_ons.charts import Chart, PodSecurity, Release, Values
from novacron_infra.workloads.add_ons.common_values import Switch

RELEASE = "monitoring"
GRAFANA_SECRET = "grafana-admin"  # noqa: S105 - the name of a Secret
"""Secret with Grafana's administrator, `admin-user` and `admin-password`, in the namespace of the release."""
CHART = Chart(
    repository="oci://ghcr.io/prometheus-community/charts",
    name="kube-prometheus-stack",
    version="88.5.3",
    as_of="2026-08-22",
    source="github.com/prometheus-community/helm-charts, charts/kube-prometheus-stack/Chart.yaml",
)
_GIB_PER_DAY = 1.5
"""Disk of a day of metrics.

100,000 series every 15 s are 576 million samples a day. Prometheus' documentation (Storage, read in 2026) states 1 to 2
bytes a sample; half as much again is for the write-ahead log and compactions.
"""


@dataclass(frozen=True, kw_only=True)
class Definitions(Values):
    """The custom resource definitions. Helm only ever creates them; the job upgrades them."""

    enabled: bool = True
    upgrade_job: Switch = Switch(enabled=True)


@dataclass(frozen=True, kw_only=True)
class PrometheusSpec(Values):
    """Prometheus itself. It reads the rules and monitors of every namespace, not just those of the chart."""

    replicas: int = 2
    retention: str
    scrape_interval: str
    storage_spec: dict[str, Any]
    rule_selector_nil_uses_helm_values: bool = False
    service_monitor_selector_nil_uses_helm_values: bool = False
    pod_monitor_selector_nil_uses_helm_values: bool = False
    probe_selector_nil_uses_helm_values: bool = False
    scrape_config_selector_nil_uses_helm_values: bool = False


@dataclass(frozen=True, kw_only=True)
class Prometheus(Values):
    """Prometheus."""

    prometheus_spec: PrometheusSpec


@dataclass(frozen=True, kw_only=True)
class GrafanaAdmin(Values):
    """Grafana's administrator."""

    existing_secret: str = GRAFANA_SECRET


@dataclass(frozen=True, kw_only=True)
class Grafana(Values):
    """Grafana. It shows the dashboards of ConfigMaps with the label `grafana_dashboard`, in any namespace."""

    enabled: bool
    admin: GrafanaAdmin = GrafanaAdmin()


@dataclass(frozen=True, kw_only=True)
class MonitoringStackValues(Values):
    """The values that this project sets."""

    crds: Definitions = Definitions()
    # Fixed names: other objects refer to `monitoring-prometheus`.
    fullname_override: str = RELEASE
    prometheus: Prometheus
    grafana: Grafana
    # Managed control planes let no one read these; each would be a target that is always down.
    kube_controller_manager: Switch
    kube_etcd: Switch
    kube_scheduler: Switch
    kube_proxy: Switch = Switch(enabled=False)


def describe_release(namespace: str, settings: Monitoring, *, managed_control_plane: bool) -> Release:
    """Return the release.

    Args:
        namespace: where Prometheus runs.
        settings: the environment's settings.
        managed_control_plane: whether the cloud runs the control plane.
    """
    control_plane = Switch(enabled=not managed_control_plane)
    spec = PrometheusSpec(
        retention=f"{settings.retention_days}d",
        scrape_interval=f"{settings.scrape_interval_s}s",
        storage_spec=_request_storage(settings),
    )
    return Release(
        name=RELEASE,
        namespace=namespace,
        chart=CHART,
        values=MonitoringStackValues(
            prometheus=Prometheus(prometheus_spec=spec),
            grafana=Grafana(enabled=settings.grafana),
            kube_controller_manager=control_plane,
            kube_etcd=control_plane,
            kube_scheduler=control_plane,
        ),
        pod_security=PodSecurity.PRIVILEGED,
        privileged_because="the node exporter reads /proc, /sys and the root filesystem of the node",
    )


def _request_storage(settings: Monitoring) -> dict[str, Any]:
    """Return the claim of each Prometheus, in the cluster's default storage class."""
    gib = round(settings.retention_days * _GIB_PER_DAY * 15 / settings.scrape_interval_s) + 5
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{gib}Gi"}}}
    return {"volumeClaimTemplate": {"spec": claim}}
