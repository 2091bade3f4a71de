"""A scheduler with workers and requests that exist in memory only."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.limits.authentication import ANONYMOUS
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.scheduling.admission import Admission
from novacron_serving.coordinator.scheduling.routing import PrefixAffine
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Worker, Workers
from novacron_serving.errors import RequestError

CONFIG = CoordinatorConfig(lost_after_s=5, forget_after_s=600, report_interval_s=1)
LONG = {"messages": [{"role": "user", "content": "Once upon a time " * 100}]}


def make_worker(number: int, load: int = 0, **fields: Any) -> Worker:
    """Return a worker without connections."""
    return Worker(
        worker_id=f"w{number}", address="", model_id="m", engine="", max_concurrent_requests=8, max_context_tokens=0,
        upstream=None, last_seen_s=0, capacity=100, index_bit=number, seed=number * 2654435761, load=load, **fields,
    )  # type: ignore[arg-type]  # fmt: skip


class Request:
    """A request that remembers what the scheduler did with it."""

    abandoned = False
    body = b""

    def __init__(self) -> None:
        self.principal, self.admission = ANONYMOUS, Admission()
        self.worker: Any = None
        self.error: RequestError | None = None
        self.lost = ""

    def dispatch(self, worker: Worker) -> None:
        self.worker = worker

    def lose_worker(self, reason: str) -> None:
        self.lost = reason

    def reject(self, error: RequestError) -> None:
        self.error = error


class Cluster:
    """Workers, and the scheduler that sends requests to them."""

    def __init__(self, clock: ManualClock, config: CoordinatorConfig = CONFIG) -> None:
        self.clock = clock
        self.workers = Workers(config, "token", clock=clock)
        self.scheduler = Scheduler(config, self.workers, Metrics(), clock=clock)

    def register(
        self,
        worker_id: str,
        incarnation: str = "1",
        *,
        model: str = "m",
        port: int = 1,
        digest: str = "",
        slots: int = 8,
        **more: Any,
    ) -> Worker:
        self.workers.register(
            worker_id=worker_id, address=f"127.0.0.1:{port}", model_id=model, engine="", model_digest=digest,
            max_concurrent_requests=slots, max_context_tokens=1, kv_cache_capacity_tokens=0, incarnation=incarnation,
            **more,
        )  # fmt: skip
        worker = self.workers.get(worker_id)
        assert worker is not None
        return worker

    def send(self, model: str = "m", **content: Any) -> Request:
        """Admit a request."""
        request: Any = Request()
        self.scheduler.admit(request, LONG | {"model": model} | content, None)
        return request

    def ask(self, model: str = "m") -> Worker:
        """Admit a request, and return the worker that it was sent to."""
        return self.send(model).worker

    def refused(self, model: str) -> RequestError:
        """Return the error for a request that is not admitted."""
        with pytest.raises(RequestError) as caught:
            self.ask(model)
        return caught.value

    def after(self, seconds: float, *reporting: Worker) -> None:
        """Let time pass, in which these workers report."""
        self.clock.advance(seconds)
        for worker in reporting:
            worker.record_report(self.clock.monotonic(), 0)
        self.scheduler.tick()

    def cached_blocks(self) -> int:
        """Return how many blocks of prompts some worker is believed to hold."""
        routers = self.scheduler.routers.values()
        return sum(router.block_count for router in routers if isinstance(router, PrefixAffine))
