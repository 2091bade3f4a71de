"""KEDA changes the number of workers with the load."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values
from novacron_infra.workloads.add_ons.common_values import Replicas, Switch

RELEASE = "keda"
CHART = Chart(
    repository="https://kedacore.github.io/charts",
    name="keda",
    version="2.20.2",
    digest="sha256:db60b1fa60f0565fefa4ce2f87e855b6a8854363ee82962fbe28a12a70d64c4c",
    as_of="2026-07-31",
    source="github.com/kedacore/charts, docs/index.yaml",
)


@dataclass(frozen=True, kw_only=True)
class Definitions(Values):
    """The custom resource definitions, as templates of the chart: Helm upgrades them."""

    install: bool = True


@dataclass(frozen=True, kw_only=True)
class ScaledKind(Values):
    """A custom resource whose number of replicas KEDA may change. It may always change StatefulSets."""

    api_group: str
    kind: str
    """The resource's plural name, as in rights."""


@dataclass(frozen=True, kw_only=True)
class Rights(Values):
    """Rights of the operator. The chart's default are all custom resources with replicas."""

    enabled_custom_scaled_ref_kinds: bool = True
    scaled_ref_kinds: tuple[ScaledKind, ...] = (
        ScaledKind(api_group="leaderworkerset.x-k8s.io", kind="leaderworkersets"),
    )


@dataclass(frozen=True, kw_only=True)
class Restriction(Values):
    """Whether a part has no right to read Secrets outside of its own namespace."""

    secret: bool = True


@dataclass(frozen=True, kw_only=True)
class Restricted(Values):
    """Rights that a part gives up."""

    restrict: Restriction = Restriction()


@dataclass(frozen=True, kw_only=True)
class Permissions(Values):
    """Rights to read Secrets. Prometheus, the only source of metrics, needs none."""

    operator: Restricted = Restricted()
    metric_server: Restricted = Restricted()


@dataclass(frozen=True, kw_only=True)
class PartMetrics(Values):
    """Metrics of a part of KEDA."""

    enabled: bool = True
    service_monitor: Switch = Switch(enabled=False)


@dataclass(frozen=True, kw_only=True)
class Metrics(Values):
    """Metrics of KEDA."""

    operator: PartMetrics
    metric_server: PartMetrics


@dataclass(frozen=True, kw_only=True)
class KedaValues(Values):
    """The values that this project sets. The chart's defaults keep the Pod Security Standard `restricted`."""

    crds: Definitions = Definitions()
    watch_namespace: str
    """Namespaces whose ScaledObjects KEDA handles, with commas between them."""
    operator: Replicas = Replicas()
    metrics_server: Replicas = Replicas()
    webhooks: Replicas = Replicas()
    rbac: Rights = Rights()
    permissions: Permissions = Permissions()
    prometheus: Metrics


def describe_release(*, namespaces: tuple[str, ...], service_monitors: bool) -> Release:
    """Return the release.

    Args:
        namespaces: namespaces of the workers.
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    part = PartMetrics(service_monitor=Switch(enabled=service_monitors))
    return Release(
        name=RELEASE,
        namespace="keda",
        chart=CHART,
        values=KedaValues(watch_namespace=",".join(namespaces), prometheus=Metrics(operator=part, metric_server=part)),
    )
