"""Metrics of a coordinator, under the names that routers and autoscalers know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from novacron_serving.protocol import contract

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One registry. Label children are looked up once, because that lookup is slow on the path of a request."""

    def __init__(self) -> None:
        names = contract()["metrics"]
        self.registry = CollectorRegistry()

        def histogram(name: str, description: str) -> Histogram:
            return Histogram(name, description, registry=self.registry, buckets=_BUCKETS_S)

        self.duration = histogram(names["request_duration"], "Request duration")
        self.first_token = histogram(names["time_to_first_token"], "Time to the first byte of the response")
        self.queue_time = histogram("novacron_queue_time_seconds", "Time in the queue")
        self.retries = Counter("novacron_retries", "Requests sent to another worker", registry=self.registry)
        self._responses = Counter("novacron_requests", "Requests by status", ["status"], registry=self.registry)
        self._by_status: dict[int, Counter] = {}
        self._lookups = Counter(
            "novacron_cache_lookups", "Response cache lookups", ["level", "result"], registry=self.registry
        )

    def gauge(self, name: str, description: str) -> Gauge:
        """Register a gauge. The caller sets its value."""
        return Gauge(name, description, registry=self.registry)

    def count_response(self, status: int) -> None:
        """Count a response by its status."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._responses.labels(str(status))
        counter.inc()

    def count_cache_lookup(self, level: str, *, hit: bool) -> None:
        """Count a lookup in one level of the response cache."""
        self._lookups.labels(level, "hit" if hit else "miss").inc()
