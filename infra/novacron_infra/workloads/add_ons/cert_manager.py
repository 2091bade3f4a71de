"""cert-manager issues and renews the certificates of coordinators and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values, key
from novacron_infra.workloads.add_ons.common_values import REPLICAS, DisruptionBudget, Replicas, Switch

RELEASE = "cert-manager"
CHART = Chart(
    repository="oci://quay.io/jetstack/charts",
    name="cert-manager",
    version="v1.21.2",
    as_of="2026-09-10",
    source="Go module github.com/cert-manager/cert-manager",
)


@dataclass(frozen=True, kw_only=True)
class Definitions(Values):
    """The custom resource definitions, as templates of the chart: Helm upgrades them, and keeps them on removal."""

    enabled: bool = True
    keep: bool = True


@dataclass(frozen=True, kw_only=True)
class Metrics(Values):
    """Metrics of the controllers."""

    service_monitor: Switch = key("servicemonitor", Switch(enabled=False))


@dataclass(frozen=True, kw_only=True)
class CertManagerValues(Values):
    """The values that this project sets. The chart's defaults keep the Pod Security Standard `restricted`."""

    crds: Definitions = Definitions()
    replica_count: int = REPLICAS
    pod_disruption_budget: DisruptionBudget = DisruptionBudget()
    webhook: Replicas = Replicas()
    cainjector: Replicas = Replicas()
    prometheus: Metrics = Metrics()
    pod_labels: Mapping[str, str] | None = None


def describe_release(*, service_monitors: bool, azure_identity: bool = False) -> Release:
    """Return the release.

    Args:
        service_monitors: whether the cluster has the definition of ServiceMonitors.
        azure_identity: whether pods may have an identity of Azure, which changes records of a DNS zone.
    """
    labels = {"azure.workload.identity/use": "true"} if azure_identity else None
    metrics = Metrics(service_monitor=Switch(enabled=service_monitors))
    return Release(
        name=RELEASE,
        namespace="cert-manager",
        chart=CHART,
        values=CertManagerValues(prometheus=metrics, pod_labels=labels),
    )
