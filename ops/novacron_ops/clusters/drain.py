"""Draining pods and nodes of a stack's cluster.

A pod is evicted through the API server, which refuses while the pod's disruption budget does not allow it. The evicted
pod's process gets SIGTERM: it reports that it is draining, finishes its requests, and ends. The drain of a pod is over
when the pod is gone and its workload is complete again; only then does the next one begin.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.messages import ApiError
from novacron_rehearsal.kubernetes.objects import (
    Kind,
    Object,
    find_object,
    find_objects,
    find_text,
    make_id,
    name_of,
    namespace_of,
)
from novacron_rehearsal.kubernetes.readiness.workloads import pod_selector
from novacron_rehearsal.kubernetes.waiting import Waiter

from novacron_ops.clusters.state import POD, DeployedCluster
from novacron_ops.errors import OpsError

NODE = Kind("v1", "Node")
_PAUSE_S = 1.0
_GONE, _REFUSED = 404, 429
"""HTTP statuses of an eviction: the pod does not exist any more; a disruption budget does not allow it now."""
_UID = ("metadata", "uid")


@dataclass(frozen=True, slots=True)
class Drain:
    """Drains pods and nodes of one cluster."""

    cluster: DeployedCluster
    timeout_s: float
    """How long one pod may take, from the request to evict it until it is replaced."""
    report: Callable[[str], None]
    """Called with each step, a line of text."""
    clock: Clock = SYSTEM_CLOCK

    def has(self, name: str) -> bool:
        """Return whether the cluster has a pod of the stack or a node of this name.

        Raises:
            ProviderError: if the cluster cannot be read.
        """
        with self.cluster.connect() as connection:
            return any(name_of(pod) == name for pod in self.cluster.list_pods(connection)) or (
                connection.get(NODE, "", name) is not None
            )

    def drain(self, name: str) -> None:
        """Drain the pod or the node of this name.

        Raises:
            OpsError: if it was not drained in time; the message says what keeps it.
            ProviderError: if the cluster cannot be read or changed.
        """
        with self.cluster.connect() as connection:
            chosen = [pod for pod in self.cluster.list_pods(connection) if name_of(pod) == name]
            if not chosen:
                _set_unschedulable(connection, name, True)
                self.report(f"node {name} gets no new pods")
                pods = self.cluster.list_pods(connection)
                chosen = [pod for pod in pods if find_text(pod, "spec", "nodeName") == name]
            for pod in chosen:
                self._replace(connection, pod)

    def undo(self, name: str) -> None:
        """Let a node get new pods again. Raises `ProviderError` if the cluster has no such node."""
        with self.cluster.connect() as connection:
            _set_unschedulable(connection, name, False)
            self.report(f"node {name} gets new pods again")

    def _replace(self, connection: Cluster, pod: Object) -> None:
        deadline_s = self.clock.monotonic() + self.timeout_s
        what = f"pod {make_id(namespace_of(pod), name_of(pod))}"
        report = _without_repeats(self.report)
        while (refusal := _evict(connection, pod)) is not None:
            report(f"{what}: {refusal}")
            self._wait(deadline_s, f"{what} was not evicted: {refusal}")
        report(f"{what} finishes its requests")
        while find_text(connection.get(POD, namespace_of(pod), name_of(pod)), *_UID) == find_text(pod, *_UID):
            self._wait(deadline_s, f"{what} was evicted and still runs")
        for reasons in self._incomplete(connection, pod):
            report(f"{what} is gone; waiting for its replacement")
            self._wait(deadline_s, f"{what} is gone, and its replacement is not ready: {'; '.join(reasons)}")
        report(f"{what} is drained")

    def _incomplete(self, connection: Cluster, pod: Object) -> Iterator[list[str]]:
        """Yield why the workload of a pod is not complete, until it is."""
        waiter = Waiter(connection, threading.Event(), lambda _urn, _progress: None)
        labels = find_object(pod, "metadata", "labels")
        for workload in self.cluster.workloads:
            if workload.namespace != namespace_of(pod):
                continue
            while live := connection.get(workload.kind, workload.namespace, workload.name):
                selector = pod_selector(live)
                if not selector or not selector.items() <= labels.items():
                    break
                if not (reasons := waiter.explain_unready(workload.kind, live)):
                    break
                yield reasons

    def _wait(self, deadline_s: float, problem: str) -> None:
        if self.clock.monotonic() >= deadline_s:
            raise OpsError(f"{problem} (after {self.timeout_s:g} s)")
        self.clock.sleep(_PAUSE_S)


def _evict(connection: Cluster, pod: Object) -> str | None:
    """Ask for the eviction of a pod. Returns why it is refused for now; None if it is not."""
    metadata: Object = {"name": name_of(pod), "namespace": namespace_of(pod)}
    body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"{connection.path_of(POD, namespace_of(pod), name_of(pod))}/eviction"
    try:
        connection.request("POST", path, action="evict it now", body=body, attempts=1)
    except ApiError as error:
        if error.code == _GONE:
            return None
        if error.code != _REFUSED:
            raise
        causes = [find_text(cause, "message") for cause in find_objects(error.status, "details", "causes")]
        return ". ".join(filter(None, [str(error).rstrip("."), *causes]))
    return None


def _set_unschedulable(connection: Cluster, node: str, unschedulable: bool) -> None:
    operation: Object = {"op": "add", "path": "/spec/unschedulable", "value": unschedulable}
    connection.patch_json(NODE, "", node, [operation])


def _without_repeats(report: Callable[[str], None]) -> Callable[[str], None]:
    """Return a report that leaves out a line that repeats the one before it."""
    last = ""

    def report_change(line: str) -> None:
        nonlocal last
        if line != last:
            report(line)
            last = line

    return report_change
