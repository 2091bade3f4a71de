"""The controller of LeaderWorkerSets: groups of pods that are one replica of a model."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values
from novacron_infra.workloads.add_ons.common_values import REPLICAS, PodSecurityContext

RELEASE = "lws"
CHART = Chart(
    repository="oci://registry.k8s.io/lws/charts",
    name="lws",
    version="v0.10.0",
    as_of="2026-08-21",
    source="github.com/kubernetes-sigs/lws, charts/lws/Chart.yaml",
)


@dataclass(frozen=True, kw_only=True)
class ManagerImage(Values):
    """Image of the controller."""

    tag: str = CHART.version
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, kw_only=True)
class Images(Values):
    """Images of the chart."""

    manager: ManagerImage = ManagerImage()


@dataclass(frozen=True, kw_only=True)
class LeaderWorkerSetValues(Values):
    """The values that this project sets."""

    replica_count: int = REPLICAS
    image: Images = Images()
    pod_security_context: PodSecurityContext = PodSecurityContext()
    enable_prometheus: bool


def describe_release(*, service_monitors: bool) -> Release:
    """Return the release.

    Args:
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    values = LeaderWorkerSetValues(enable_prometheus=service_monitors)
    return Release(name=RELEASE, namespace="lws-system", chart=CHART, values=values)
