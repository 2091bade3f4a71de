"""PodMonitors: how a Prometheus operator finds the pods of the serving stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from novacron_infra.workloads.custom_resources import CustomKind
from novacron_infra.workloads.monitoring.metrics import METRICS_PATH
from novacron_infra.workloads.pods import NAME_LABEL, select_pods

POD_MONITOR = CustomKind(api_version="monitoring.coreos.com/v1", kind="PodMonitor")


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsConfig:
    """How Prometheus checks a pod's certificate."""

    insecure_skip_verify: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A port of the pods with metrics."""

    port: str
    """Name of the container's port."""
    path: str
    interval: str
    scheme: str
    tls_config: TlsConfig | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSelector:
    """Selects pods by their labels."""

    match_labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PodMonitorSpec:
    """Specification of a PodMonitor. It selects pods of its own namespace."""

    job_label: str
    """The label of the pods whose value is the label `job` of their series."""
    selector: LabelSelector
    pod_metrics_endpoints: Sequence[Endpoint]


def describe_monitor(pods: str, *, port: str, interval_s: int, tls: bool) -> PodMonitorSpec:
    """Return the monitor of coordinators or workers.

    Pods are monitored rather than Services: a pod that is not ready has metrics as well, and no Service lists them all.

    Args:
        pods: name of the pods.
        port: name of the container's port.
        interval_s: seconds between two scrapes.
        tls: whether the port has TLS. Its certificate names the cluster, not the pod that Prometheus connects to; the
            network policies say who may connect.
    """
    endpoint = Endpoint(
        port=port,
        path=METRICS_PATH,
        interval=f"{interval_s}s",
        scheme="https" if tls else "http",
        tls_config=TlsConfig(insecure_skip_verify=True) if tls else None,
    )
    return PodMonitorSpec(
        job_label=NAME_LABEL,
        selector=LabelSelector(match_labels=select_pods(pods)),
        pod_metrics_endpoints=(endpoint,),
    )
