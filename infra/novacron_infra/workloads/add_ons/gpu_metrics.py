"""NVIDIA's DCGM exporter: metrics of every GPU, from a list of counters of this project.

On Azure the GPU operator brings the exporter, on Google Cloud GKE has its own. Both get their counters elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from novacron_infra.pools import GPU_COUNT_LABEL, GPU_TAINT
from novacron_infra.workloads.add_ons.charts import Chart, PodSecurity, Release, Values
from novacron_infra.workloads.add_ons.common_values import Capabilities, ExporterMonitor

RELEASE = "dcgm-exporter"
NAMESPACE = "gpu-metrics"
CHART = Chart(
    repository="https://nvidia.github.io/dcgm-exporter/helm-charts",
    name="dcgm-exporter",
    version="4.8.2",
    digest="sha256:1c5535c03ebab3f021444df6016fce1cd7871385122e115c6ed24c804b623803",
    as_of="2026-05-05",
    source="github.com/NVIDIA/dcgm-exporter, index.yaml of the branch gh-pages",
)
_USER_ID = 1000


@dataclass(frozen=True, kw_only=True)
class SecurityContext(Values):
    """Rights of the exporter. Without profiling counters it needs no capability and no root user."""

    run_as_non_root: bool = True
    run_as_user: int = _USER_ID
    allow_privilege_escalation: bool = False
    capabilities: Capabilities = Capabilities(add=())


@dataclass(frozen=True, kw_only=True)
class GpuMetricsValues(Values):
    """The values that this project sets."""

    custom_metrics: str
    security_context: SecurityContext = SecurityContext()
    service_monitor: ExporterMonitor
    affinity: dict[str, Any]
    tolerations: tuple[dict[str, str], ...]


@cache
def read_counters() -> str:
    """Return the list of counters in the exporter's format."""
    return (Path(__file__).parent / "gpu_counters.csv").read_text(encoding="utf-8")


def describe_release(*, scrape_interval_s: int, service_monitors: bool) -> Release:
    """Return the release.

    Args:
        scrape_interval_s: seconds between two scrapes.
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    with_gpus = {"matchExpressions": [{"key": GPU_COUNT_LABEL, "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [with_gpus]}}
    return Release(
        name=RELEASE,
        namespace=NAMESPACE,
        chart=CHART,
        values=GpuMetricsValues(
            custom_metrics=read_counters(),
            service_monitor=ExporterMonitor(enabled=service_monitors, interval=f"{scrape_interval_s}s"),
            affinity={"nodeAffinity": required},
            tolerations=({"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"},),
        ),
        pod_security=PodSecurity.PRIVILEGED,
        privileged_because="the exporter asks the kubelet, through a socket on the node, which pod uses which GPU",
    )
