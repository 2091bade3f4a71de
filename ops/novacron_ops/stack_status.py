"""The status of a stack: what runs, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from novacron_ops.coordinator import CoordinatorReport
from novacron_ops.local_processes import LocalService
from novacron_ops.tables import Table

if TYPE_CHECKING:
    from novacron_ops.clusters import ClusterReport


def is_inside_cluster(endpoint: str) -> bool:
    """Return whether only pods of a cluster resolve the host of a URL."""
    return (urlsplit(endpoint).hostname or "").endswith(".svc")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """Everything that is known about a stack."""

    stack: str
    is_local: bool
    """Whether the stack's processes run on this machine."""
    outputs: dict[str, Any]
    services: Sequence[LocalService]
    """The processes of a local stack."""
    coordinator: CoordinatorReport | str | None
    """The coordinator's report, or the reason why there is none; None without an endpoint to ask."""
    clusters: Sequence[ClusterReport] = ()
    """The clusters in which the stack has workloads."""

    @property
    def deployed(self) -> bool:
        """Whether there is anything to show: outputs in the state, or processes."""
        return bool(self.outputs or self.services or self.clusters)

    @property
    def endpoint(self) -> str | None:
        """Base URL of the API."""
        endpoint = self.outputs.get("endpoint")
        return endpoint if isinstance(endpoint, str) else None

    @property
    def workers(self) -> tuple[int, int]:
        """The number of active workers, and how many there should be."""
        if not isinstance(self.coordinator, CoordinatorReport):
            return 0, 0
        readiness = self.coordinator.readiness
        return readiness.active_workers, max(readiness.minimum_workers, self.coordinator.total_workers)

    def problems(self) -> list[str]:
        """Return a sentence for everything that is wrong; empty if the stack is healthy."""
        if not self.deployed:
            return [f"stack {self.stack} is not deployed; `novacron up -s {self.stack}` deploys it"]
        found = [self._service_problem(service) for service in self.services if service.status != "ready"]
        if self.is_local and not self.services:
            found.append(f"no processes are running; `novacron up -s {self.stack}` starts them")
        found += [f"{cluster.name}: {problem}" for cluster in self.clusters for problem in cluster.problems]
        if self.endpoint is None:
            return [*found, self._missing_endpoint()]
        if is_inside_cluster(self.endpoint):
            return found + [f"cluster {one.name}: {one.unreachable}" for one in self.clusters if one.unreachable]
        if not isinstance(self.coordinator, CoordinatorReport):
            return [*found, f"{self.endpoint} {self.coordinator or 'was not asked'}"]
        return found + self._coordinator_problems(self.coordinator)

    def _service_problem(self, service: LocalService) -> str:
        if service.status == "orphaned":
            return f"{service.name} runs although its files were removed; `novacron down -s {self.stack}` stops it"
        return f"{service.name} is {service.status}; see `novacron logs -s {self.stack} --service {service.name}`"

    def _missing_endpoint(self) -> str:
        if self.is_local:
            continued = f"unless one is running now, `novacron up -s {self.stack}` continues it"
            return f"the last deployment has not finished; {continued}"
        return "the stack has no `endpoint` output to check; an environment has one if it has a `traffic` section"

    def _coordinator_problems(self, report: CoordinatorReport) -> list[str]:
        readiness = report.readiness
        active, expected = self.workers
        found = [
            f"the coordinator's {name} is unavailable: {why}"
            for name, why in readiness.degraded.items()
            if name != "workers"  # counted below
        ]
        if readiness.draining:
            found.append("the coordinator is draining and accepts no new requests")
        if expected == 0:
            found.append("no workers have registered with the coordinator")
        elif active < expected:
            found.append(f"{active} of {expected} workers are active")
        if report.refusal:
            found.append(report.refusal)
        if not readiness.ready and not found:
            found.append("the coordinator reports that it is not ready")
        return found

    def lines(self) -> list[str]:
        """Return the status as text: the processes, the endpoint and the problems."""
        if not self.deployed:
            return self.problems()
        lines: list[str] = []
        if self.services:
            rows = [
                [
                    service.name,
                    service.status,
                    str(service.pid or ""),
                    "" if service.up_s is None else f"{service.up_s:.0f} s",
                    str(service.restarts),
                ]
                for service in self.services
            ]
            lines += Table(["process", "status", "pid", "uptime", "restarts"], rows).lines()
        lines += self._pod_lines()
        if self.endpoint is not None:
            lines.append(f"endpoint: {self.endpoint} ({self._answer()})")
        return lines + [f"problem: {problem}" for problem in self.problems()]

    def _pod_lines(self) -> list[str]:
        rows = [
            [
                cluster.name,
                pod.name,
                pod.status,
                pod.node,
                "" if pod.up_s is None else f"{pod.up_s:.0f} s",
                str(pod.restarts),
            ]
            for cluster in self.clusters
            for pod in cluster.pods
        ]
        table = Table(["cluster", "pod", "status", "node", "uptime", "restarts"], rows).lines() if rows else []
        return table + [
            f"cluster {one.name} was not read: {one.unreachable}" for one in self.clusters if one.unreachable
        ]

    def _answer(self) -> str:
        if self.endpoint is not None and is_inside_cluster(self.endpoint):
            return "inside the cluster, not asked"
        if not isinstance(self.coordinator, CoordinatorReport):
            return self.coordinator or "was not asked"
        active, expected = self.workers
        return f"answers, {active} of {expected} workers active"

    def values(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        report = self.coordinator if isinstance(self.coordinator, CoordinatorReport) else None
        return {
            "stack": self.stack,
            "healthy": not self.problems(),
            "problems": self.problems(),
            "outputs": self.outputs,
            "services": [
                {
                    "name": service.name,
                    "status": service.status,
                    "pid": service.pid,
                    "restarts": service.restarts,
                    "up_s": None if service.up_s is None else round(service.up_s, 1),
                }
                for service in self.services
            ],
            "clusters": [asdict(cluster) for cluster in self.clusters],
            "ready": report and report.readiness.model_dump(),
            "cluster": report and report.cluster,
        }
