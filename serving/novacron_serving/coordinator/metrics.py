"""What a coordinator counts and measures, under names that routers and autoscalers know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from novacron_serving.protocol import contract

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One registry. Children with labels are looked up once: that is what costs on the way of a request."""

    def __init__(self) -> None:
        names = contract()["metrics"]
        self.registry = CollectorRegistry()

        def histogram(name: str, what: str) -> Histogram:
            return Histogram(name, what, registry=self.registry, buckets=_SECONDS)

        self.duration = histogram(names["request_duration"], "Whole requests")
        self.first_token = histogram(names["time_to_first_token"], "Time to the first byte of an answer")
        self.queue_time = histogram("novacron_queue_time_seconds", "Time that a request waited for a worker's place")
        self.retries = Counter("novacron_retries", "Requests sent to another worker", registry=self.registry)
        self._answers = Counter("novacron_requests", "Requests by status", ["status"], registry=self.registry)
        self._by_status: dict[int, Counter] = {}
        self._looked = Counter(
            "novacron_cache_lookups", "Looks for an answer given before", ["level", "result"], registry=self.registry
        )

    def gauge(self, name: str, what: str) -> Gauge:
        """One more; the caller says what its value is."""
        return Gauge(name, what, registry=self.registry)

    def answered(self, status: int) -> None:
        """A request has got this status."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._answers.labels(str(status))
        counter.inc()

    def cache_looked(self, level: str, *, hit: bool) -> None:
        """An answer was looked for at this level."""
        self._looked.labels(level, "hit" if hit else "miss").inc()
