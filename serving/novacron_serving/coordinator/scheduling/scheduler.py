"""Admission control, queueing and worker selection.

A request is *admitted* from `Scheduler.admit` until `Scheduler.release`. In between it is queued, or it holds a slot of
a worker (two slots while prefill and decode run on different workers). Everything here is a synchronous call on the
event loop, without a task: every chat request passes through it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.config import CoordinatorConfig, RoutingPolicy
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.scheduling.admission import PendingRequest
from novacron_serving.coordinator.scheduling.disaggregated import Disaggregated, can_disaggregate
from novacron_serving.coordinator.scheduling.fair_queue import FairQueue
from novacron_serving.coordinator.scheduling.routing import Router, choose_router, prefix_blocks
from novacron_serving.coordinator.workers.workers import Pool, Worker, Workers
from novacron_serving.errors import RequestError, invalid, overloaded
from novacron_serving.protocol.openai import unknown_model

NOT_LOADED_RETRY_S = 10.0
"""`retry-after` for a model that has to be loaded first."""
DISCOVERY_INTERVALS = 3
"""Report intervals after which every live worker has registered with a new coordinator."""


class Scheduler:
    """Admits, queues and dispatches the requests of one coordinator."""

    def __init__(
        self,
        config: CoordinatorConfig,
        workers: Workers,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.draining = False
        self.metrics = metrics
        self.config = config
        self.clock = clock
        self._workers = workers
        self.routers: dict[str, Router] = {}
        self.prefill_routers: dict[str, Router] = {}
        self._queues: dict[str, FairQueue[PendingRequest]] = {}
        self._admitted: set[PendingRequest] = set()
        self._queued: dict[PendingRequest, None] = {}
        """In the order in which they time out."""
        self._awaiting_first_byte: dict[PendingRequest, None] = {}
        """In the order in which they time out."""
        self._uses_prefixes = config.routing is RoutingPolicy.PREFIX_AFFINE
        self._started_s = clock.monotonic()
        workers.on_cache_lost = self._forget_cache

    @property
    def in_flight(self) -> int:
        """Requests that are admitted and not yet released, including queued ones."""
        return len(self._admitted)

    @property
    def queued(self) -> int:
        """Requests that wait for a worker's slot."""
        return len(self._queued)

    def model_identity(self, model: str) -> str | None:
        """Return what identifies a model for the response cache; None: its workers differ, or it has none."""
        pool = self._workers.pools.get(model)
        return None if pool is None else pool.model_identity

    def admit(self, request: PendingRequest, content: Mapping[str, Any], session: bytes | None) -> None:
        """Dispatch a request to a worker, or queue it.

        Args:
            request: the request.
            content: its parsed body.
            session: its `x-session-id` header.

        Raises:
            RequestError: 400, 404, 429 or 503; the request is not admitted.
        """
        model = content.get("model")
        if not isinstance(model, str):
            raise invalid("model must be the name of a model; /v1/models lists them", param="model")
        pool = self._workers.pools.get(model)
        if pool is None or not pool.active:
            raise self._not_served(model)
        if len(self._admitted) >= self.config.max_requests:
            raise RequestError(
                429,
                "the coordinator has too many requests in flight; try again in a moment",
                kind="rate_limit_error",
                code="overloaded",
            )
        admission = request.admission
        if self._uses_prefixes or session is not None:
            admission.prefix = prefix_blocks(content, session)
        if pool.prefill and len(request.body) >= self.config.prefill_from_bytes and can_disaggregate(content):
            admission.disaggregated = Disaggregated()
        admission.model = model
        self._admitted.add(request)
        self._dispatch_or_queue(request, pool)

    def release(self, request: PendingRequest) -> None:
        """Forget a request that has its response, or whose client has left.

        Calling this again, or for a request that was not admitted, has no effect.
        """
        self._admitted.discard(request)
        self._queued.pop(request, None)
        self._awaiting_first_byte.pop(request, None)

    def _not_served(self, model: str) -> RequestError:
        """Return the error for a model without an active worker."""
        workers = self._workers
        if workers.knows_model(model):
            if not any(model in worker.models for worker in workers.all()):
                return RequestError(
                    503,
                    f"model {model!r} is not loaded; POST /api/v1/llm/models/{model}/load as an operator, "
                    "or wait if /api/v1/llm/models shows that it is loading",
                    kind="server_error", code="model_not_loaded", retry_after_s=NOT_LOADED_RETRY_S,
                )  # fmt: skip
            return overloaded(f"no active worker serves {model!r}; see /api/v1/llm/cluster/status")
        if not workers.all():
            return overloaded("no worker is ready; see /api/v1/llm/cluster/status")
        if self.clock.monotonic() - self._started_s < DISCOVERY_INTERVALS * self.config.report_interval_s:
            return overloaded(f"the coordinator has just started, and no worker that serves {model!r} has registered")
        return unknown_model(model, workers.models())

    def _forget_cache(self, worker: Worker) -> None:
        for routers in (self.routers, self.prefill_routers):
            for model in worker.models:
                if (router := routers.get(model)) is not None:
                    router.forget_worker(worker)

    def retry(self, request: PendingRequest) -> bool:
        """Send a request to a worker that it was not sent to yet.

        Returns:
            False: no such worker is active, or the request has used all its attempts.
        """
        admission = request.admission
        pool, tried = self._workers.pools[admission.model], admission.tried
        if admission.disaggregated is not None and pool.prefill:
            if not admission.disaggregated.can_retry(pool, self.config.attempts):
                return False
        elif len(tried) >= self.config.attempts or all(one.worker_id in tried for one in pool.active):
            return False
        self.metrics.retries.inc()
        self._dispatch_or_queue(request, pool)
        return True

    def _dispatch_or_queue(self, request: PendingRequest, pool: Pool) -> None:
        worker = self._choose_worker(request, pool)
        if worker is not None:
            self._dispatch(request, worker)
            return
        request.admission.queued_at_s = self.clock.monotonic()
        self._queued[request] = None
        self._queue(pool.model_id).push(request)

    def _queue(self, model: str) -> FairQueue[PendingRequest]:
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = FairQueue()
        return queue

    def _choose_worker(self, request: PendingRequest, pool: Pool) -> Worker | None:
        admission = request.admission
        if admission.disaggregated is not None and pool.prefill:
            routers = self.prefill_routers
            router = routers.get(pool.model_id) or self._new_router(routers, pool)
            return admission.disaggregated.choose_workers(pool, router, admission.prefix)
        free = [worker for worker in pool.active if worker.load < worker.capacity]
        tried = admission.tried
        if tried and any(worker.worker_id not in tried for worker in pool.active):
            free = [worker for worker in free if worker.worker_id not in tried]
        if not free:
            return None
        router = self.routers.get(pool.model_id) or self._new_router(self.routers, pool)
        return router.choose(free, admission.prefix)

    def _new_router(self, routers: dict[str, Router], pool: Pool) -> Router:
        """Each model and each adapter has its own router: their KV caches are not interchangeable."""
        routers[pool.model_id] = choose_router(self.config.routing)
        return routers[pool.model_id]

    def _dispatch(self, request: PendingRequest, worker: Worker) -> None:
        worker.take_slot()
        admission, now = request.admission, self.clock.monotonic()
        admission.worker = worker
        admission.attempts += 1
        admission.tried.add(worker.worker_id)
        admission.last_data_s = now
        admission.first_byte_deadline_s = now + self.config.first_byte_timeout_s
        self._awaiting_first_byte[request] = None
        request.dispatch(worker)

    def on_first_byte(self, request: PendingRequest) -> None:
        """Stop the timeout of a request whose response has begun."""
        self._awaiting_first_byte.pop(request, None)

    def release_slots(self, request: PendingRequest) -> None:
        """Free the slot that a request holds on its worker, if any, and the one that it has reserved for decoding."""
        self._awaiting_first_byte.pop(request, None)
        admission = request.admission
        worker, admission.worker = admission.worker, None
        if worker is None:
            return
        self._free_slot(worker)
        if admission.disaggregated is not None and (reserved := admission.disaggregated.stop(worker)) is not None:
            self._free_slot(reserved)

    def start_decode(self, request: PendingRequest) -> Worker:
        """Move a request from the worker that has read its prompt to the one that decodes, and return that one."""
        admission = request.admission
        prefill_worker = admission.worker
        assert admission.disaggregated is not None  # noqa: S101 - prefill has finished
        assert prefill_worker is not None  # noqa: S101 - it has responded
        prefill_worker.record_success()
        decode_worker, reserved = admission.disaggregated.choose_decode_worker(self._workers.pools[admission.model])
        if decode_worker is not reserved:
            decode_worker.take_slot()
            self._free_slot(reserved)
        admission.tried.add(decode_worker.worker_id)
        admission.worker = decode_worker
        admission.last_data_s = self.clock.monotonic()
        self._free_slot(prefill_worker)
        return decode_worker

    def _free_slot(self, worker: Worker) -> None:
        worker.free_slot()
        if self._queued:
            self._fill_slots_of(worker)

    def record_failure(self, worker: Worker, *, eject: bool) -> None:
        """Count a failure of a worker, and stop sending requests to it if it is ejected.

        Args:
            worker: the worker.
            eject: whether this failure ejects it, however many came before.
        """
        worker.record_failure(self.clock.monotonic(), eject=eject)
        self._workers.refresh()

    def fill_slots(self) -> None:
        """Dispatch queued requests to free slots."""
        for model in self._queues:
            self._fill(model)

    def _fill_slots_of(self, worker: Worker) -> None:
        """Let the queues of the worker's model and of its adapters take turns."""
        first = worker.served_requests % len(worker.models)
        for model in itertools.islice(itertools.cycle(worker.models), first, first + len(worker.models)):
            self._fill(model)

    def _fill(self, model: str) -> None:
        queue, pool = self._queues.get(model), self._workers.pools[model]
        if queue is None:
            return
        while (request := queue.pop()) is not None:
            worker = self._choose_worker(request, pool)
            if worker is None:
                queue.push_first(request)
                return
            del self._queued[request]
            self.metrics.queue_time.observe(self.clock.monotonic() - request.admission.queued_at_s)
            self._dispatch(request, worker)

    def tick(self) -> None:
        """Find workers that are lost or active again, dispatch queued requests, and end waits that took too long."""
        self._workers.remove_lost()
        self._workers.refresh()
        self._workers.close_idle_connections()
        now = self.clock.monotonic()
        self._end_silence(now)
        self.fill_slots()
        timeout_s = self.config.queue_timeout_s
        for request in _until(self._queued, lambda request: now - request.admission.queued_at_s > timeout_s):
            request.reject(overloaded(f"no worker had capacity within {timeout_s:g} s"))
        for request in _until(self._awaiting_first_byte, lambda request: now > request.admission.first_byte_deadline_s):
            # No retry: the worker may still be generating, and a second worker would double the load.
            request.reject(
                RequestError(
                    504,
                    f"the worker sent no response within {self.config.first_byte_timeout_s:g} s; stream the response, "
                    "or request fewer tokens",
                    kind="server_error",
                    code="timeout",
                )
            )

    def _end_silence(self, now: float) -> None:
        """Take requests from workers that have sent nothing for too long: lost ones, and those that hang in a response.

        A lost worker may still send tokens, if only its reports do not arrive: its requests end once it is silent too.
        """
        lost_after_s, idle_s = self.config.lost_after_s, self.config.stream_idle_timeout_s
        for request in list(self._admitted):
            admission = request.admission
            worker, silent_s = admission.worker, now - admission.last_data_s
            if worker is None or admission.paused or silent_s <= min(lost_after_s, idle_s):
                continue
            if silent_s > lost_after_s and self._workers.is_lost(worker):
                request.lose_worker(f"it has sent nothing for {silent_s:.0f} s and no longer reports")
            elif silent_s > idle_s and request not in self._awaiting_first_byte:
                self.record_failure(worker, eject=False)
                request.lose_worker(f"it has sent nothing for {silent_s:.0f} s")


def _until(requests: dict[PendingRequest, None], overdue: Callable[[PendingRequest], bool]) -> list[PendingRequest]:
    return list(itertools.takewhile(overdue, requests))
