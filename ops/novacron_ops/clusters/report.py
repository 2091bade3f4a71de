"""Reports of the clusters of a stack: pods, and workloads that are not as they should be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.objects import Object, find_number, find_objects, find_text, name_of, namespace_of
from novacron_rehearsal.kubernetes.readiness.pods import is_ready
from novacron_rehearsal.kubernetes.waiting import Waiter

from novacron_ops.clusters.state import DeployedCluster, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReport:
    """A pod of the serving stack."""

    namespace: str
    name: str
    status: str
    """`ready`, `not ready`, `stopping`, or the pod's phase in lower case, such as `pending`."""
    node: str
    restarts: int
    up_s: float | None
    """Seconds since the pod started; None if it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReport:
    """A cluster of the stack."""

    name: str
    unreachable: str = ""
    """Why nothing is known about the cluster; empty if it answered."""
    pods: tuple[PodReport, ...] = ()
    problems: tuple[str, ...] = ()
    """Why workloads of the stack are not as they should be, a sentence each."""


def read_reports(clusters: Sequence[DeployedCluster]) -> list[ClusterReport]:
    """Return a report of each cluster. All of them are asked at the same time."""
    with ThreadPoolExecutor(max(1, len(clusters))) as pool:
        return list(pool.map(_read_report, clusters))


def find_unreachable(clusters: Sequence[DeployedCluster]) -> dict[str, str]:
    """Return the reason for each cluster that does not answer, by its name. All are asked at the same time."""
    with ThreadPoolExecutor(max(1, len(clusters))) as pool:
        reasons = pool.map(_explain_silence, clusters)
    return {cluster.name: reason for cluster, reason in zip(clusters, reasons, strict=True) if reason}


def _explain_silence(cluster: DeployedCluster) -> str:
    try:
        with cluster.connect():
            return ""
    except ProviderError as error:
        return str(error)


def _read_report(cluster: DeployedCluster) -> ClusterReport:
    try:
        with cluster.connect() as connection:
            waiter = Waiter(connection, threading.Event(), lambda _urn, _progress: None)
            problems = [
                problem for workload in cluster.workloads for problem in _find_problems(workload, connection, waiter)
            ]
            pods = tuple(_describe_pod(pod) for pod in cluster.list_pods(connection))
            return ClusterReport(name=cluster.name, pods=pods, problems=tuple(problems))
    except ProviderError as error:
        return ClusterReport(name=cluster.name, unreachable=str(error))


def _find_problems(workload: Workload, connection: Cluster, waiter: Waiter) -> list[str]:
    live = connection.get(workload.kind, workload.namespace, workload.name)
    if live is None:
        return [f"{workload} does not exist; `novacron up` creates it again"]
    return [f"{workload}: {reason}" for reason in waiter.explain_unready(workload.kind, live)]


def _name_status(pod: Object) -> str:
    if find_text(pod, "metadata", "deletionTimestamp"):
        return "stopping"
    if is_ready(pod):
        return "ready"
    phase = find_text(pod, "status", "phase").lower() or "pending"
    return "not ready" if phase == "running" else phase


def _describe_pod(pod: Object) -> PodReport:
    started = find_text(pod, "status", "startTime")
    return PodReport(
        namespace=namespace_of(pod),
        name=name_of(pod),
        status=_name_status(pod),
        node=find_text(pod, "spec", "nodeName"),
        restarts=sum(find_number(item, "restartCount") for item in find_objects(pod, "status", "containerStatuses")),
        up_s=(datetime.now(timezone.utc) - datetime.fromisoformat(started.replace("Z", "+00:00"))).total_seconds()
        if started
        else None,
    )
