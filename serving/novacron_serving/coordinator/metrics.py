"""Metrics of a coordinator, under the names that routers and autoscalers know."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from novacron_serving.protocol import contract

_EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One registry. Label children are looked up once, because that lookup is slow on the path of a request."""

    def __init__(self) -> None:
        known = contract()
        self._names: dict[str, str] = known["metrics"]
        self.registry = CollectorRegistry()

        def histogram(name: str, description: str, edges_s: Sequence[float] = _EDGES_S) -> Histogram:
            return Histogram(self._names[name], description, registry=self.registry, buckets=edges_s)

        def counter(name: str, description: str, *labels: str) -> Counter:
            return Counter(self._names[name], description, labels, registry=self.registry)

        self.duration = histogram("request_duration", "Request duration")
        self.first_token = histogram(
            "time_to_first_token",
            "Time to the first byte of a response that a worker streams",
            known["bucket_edges_s"]["time_to_first_token"],
        )
        self.queue_time = histogram("queue_time", "Time in the queue")
        self.retries = counter("retries", "Requests sent to another worker")
        self._responses = counter("requests", "Requests by status", "status")
        self._by_status: dict[int, Counter] = {}
        self._lookups = counter("cache_lookups", "Response cache lookups", "level", "result")
        self._dependency_up = self.gauge("dependency_up", "Whether the database or Redis answers", "dependency")

    def gauge(self, name: str, description: str, *labels: str) -> Gauge:
        """Register a gauge under its name in the contract. The caller sets its value."""
        return Gauge(self._names[name], description, labels, registry=self.registry)

    def set_dependency_up(self, dependency: str, *, up: bool) -> None:
        """Record whether the `database` or `redis` answers."""
        self._dependency_up.labels(dependency).set(up)

    def count_response(self, status: int) -> None:
        """Count a response by its status."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._responses.labels(str(status))
        counter.inc()

    def count_cache_lookup(self, level: str, *, hit: bool) -> None:
        """Count a lookup in one level of the response cache."""
        self._lookups.labels(level, "hit" if hit else "miss").inc()

    def route(self) -> Route:
        """Return the route where Prometheus reads all metrics."""

        async def answer(request: Request) -> Response:
            del request
            return Response(generate_latest(self.registry), media_type="text/plain; version=0.0.4")

        return Route(contract()["paths"]["metrics"], answer)
