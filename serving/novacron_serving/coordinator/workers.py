"""The workers that the coordinator knows, which of them gets the next request, and their side of gRPC."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersServicer


@dataclass(slots=True)
class Worker:
    """One worker, as it last reported, and what the coordinator has sent it since."""

    worker_id: str
    address: str
    model_id: str
    engine: str
    max_concurrent_requests: int
    max_context_tokens: int
    seen_s: float
    """Monotonic time of the last report."""
    reported_requests: int = 0
    in_flight: int = 0
    draining: bool = False
    failed_until_s: float = 0.0
    kv_cache_utilization: float = 0.0
    served_requests: int = field(default=0)


class Workers:
    """All workers, by id."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self._config = config
        self._workers: dict[str, Worker] = {}

    def add(self, worker: Worker) -> None:
        """A worker is there, or there again."""
        self._workers[worker.worker_id] = worker

    def get(self, worker_id: str) -> Worker | None:
        """A worker by its id."""
        return self._workers.get(worker_id)

    def all(self) -> list[Worker]:
        """Every worker ever seen, by id."""
        return sorted(self._workers.values(), key=lambda worker: worker.worker_id)

    def status(self, worker: Worker) -> str:
        """`active`, `draining`, `failed` or `lost`."""
        now = time.monotonic()
        if now - worker.seen_s > self._config.lost_after_s:
            return "lost"
        if worker.draining:
            return "draining"
        return "failed" if now < worker.failed_until_s else "active"

    def active(self, model_id: str | None = None) -> list[Worker]:
        """Those that may be given requests."""
        return [
            worker
            for worker in self._workers.values()
            if self.status(worker) == "active" and model_id in (None, worker.model_id)
        ]

    def models(self) -> list[str]:
        """What can be asked for now."""
        return sorted({worker.model_id for worker in self.active()})

    def choose(self, model_id: str, tried: set[str]) -> Worker | None:
        """The least loaded worker that was not tried yet; among equals the one that served least."""
        candidates = [worker for worker in self.active(model_id) if worker.worker_id not in tried]
        return min(candidates, key=lambda worker: (worker.in_flight, worker.served_requests), default=None)

    def failed(self, worker: Worker) -> None:
        """A worker broke a connection: it gets nothing until it has reported again for a while."""
        worker.failed_until_s = time.monotonic() + 2 * self._config.report_interval_s


class WorkersService(WorkersServicer):
    """What workers call."""

    def __init__(self, workers: Workers, config: CoordinatorConfig, token: str) -> None:
        self._workers = workers
        self._config = config
        self._expected = f"Bearer {token}"

    async def _authenticate(self, context: Any) -> None:
        given = dict(context.invocation_metadata()).get("authorization", "")
        if not hmac.compare_digest(given, self._expected):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the cluster token is not the coordinator's")

    async def Register(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """A worker is there."""
        await self._authenticate(context)
        self._workers.add(
            Worker(
                worker_id=request.worker_id,
                address=request.address,
                model_id=request.model_id,
                engine=request.engine,
                max_concurrent_requests=request.max_concurrent_requests,
                max_context_tokens=request.max_context_tokens,
                seen_s=time.monotonic(),
            )
        )
        return worker_pb2.RegisterResponse(report_interval_s=self._config.report_interval_s)

    async def Report(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker lives."""
        await self._authenticate(context)
        worker = self._workers.get(request.worker_id)
        if worker is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "register first")
        else:
            worker.seen_s = time.monotonic()
            worker.reported_requests = request.running_requests + request.waiting_requests
            worker.kv_cache_utilization = request.kv_cache_utilization
        return worker_pb2.ReportResponse()

    async def Drain(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker is going."""
        await self._authenticate(context)
        if (worker := self._workers.get(request.worker_id)) is not None:
            worker.draining = True
        return worker_pb2.DrainResponse()
