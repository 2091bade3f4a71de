"""External Secrets Operator copies secrets from the cloud's secret manager into Secrets, and renews them."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values, key
from novacron_infra.workloads.add_ons.common_values import REPLICAS, Replicas, Switch

RELEASE = "external-secrets"
CHART = Chart(
    repository="oci://ghcr.io/external-secrets/charts",
    name="external-secrets",
    version="2.9.0",
    as_of="2026-08-21",
    source="github.com/external-secrets/external-secrets, deploy/charts/external-secrets/Chart.yaml",
)


@dataclass(frozen=True, kw_only=True)
class MinimumAvailable(Values):
    """A pod disruption budget."""

    enabled: bool = True
    min_available: int = 1


@dataclass(frozen=True, kw_only=True)
class ExternalSecretsValues(Values):
    """The values that this project sets. The chart's defaults keep the Pod Security Standard `restricted`."""

    install_definitions: bool = key("installCRDs", default=True)
    replica_count: int = REPLICAS
    leader_elect: bool = True
    # Writing secrets back into the cloud's manager is a right that nothing here needs.
    process_push_secret: bool = False
    process_cluster_push_secret: bool = False
    pod_disruption_budget: MinimumAvailable = MinimumAvailable()
    webhook: Replicas = Replicas()
    cert_controller: Replicas = Replicas()
    service_monitor: Switch = Switch(enabled=False)


def describe_release(*, service_monitors: bool) -> Release:
    """Return the release.

    Args:
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    values = ExternalSecretsValues(service_monitor=Switch(enabled=service_monitors))
    return Release(name=RELEASE, namespace="external-secrets", chart=CHART, values=values)
