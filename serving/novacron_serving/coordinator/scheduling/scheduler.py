"""Admission control, queueing and worker selection.

A request is *admitted* from `Scheduler.admit` until `Scheduler.release`. In between it is queued, or it holds a slot of
a worker (two slots while prefill and decode run on different workers). Everything here is a synchronous call on the
event loop, without a task: every chat request passes through it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.cache.response_cache import ResponseCache
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.limits.authentication import Authenticator, Principal
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.scheduling.disaggregated import Disaggregated, PrefillClient, can_disaggregate
from novacron_serving.coordinator.scheduling.fair_queue import FairQueue
from novacron_serving.coordinator.scheduling.routing import Router, RoutingPolicy, choose_router, prefix_blocks
from novacron_serving.coordinator.workers.workers import Pool, Worker, Workers
from novacron_serving.errors import RequestError, invalid, overloaded
from novacron_serving.protocol.openai import unknown_model

NOT_LOADED_RETRY_S = 10.0
"""`retry-after` for a model that has to be loaded first."""
DISCOVERY_INTERVALS = 3
"""Report intervals after which every live worker has registered with a new coordinator."""


class PendingRequest(PrefillClient, Protocol):
    """A request that the scheduler admits and dispatches."""

    body: bytes | bytearray
    disaggregated: Disaggregated | None
    principal: Principal
    model: str
    prefix: tuple[int, ...]
    tried: set[str]
    """Ids of the workers that it was sent to."""
    queued_at_s: float
    first_byte_deadline_s: float

    @property
    def abandoned(self) -> bool:
        """Whether the client has disconnected."""
        ...

    def dispatch(self, worker: Worker) -> None:
        """Send it to a worker, of which it now holds a slot."""
        ...

    def reject(self, error: RequestError) -> None:
        """Respond with an error."""
        ...


class Scheduler:
    """Admits, queues and dispatches the requests of one coordinator."""

    def __init__(
        self,
        config: CoordinatorConfig,
        workers: Workers,
        authenticator: Authenticator,
        metrics: Metrics,
        cache: ResponseCache | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.draining = False
        self.metrics = metrics
        self.authenticator = authenticator
        self.config = config
        self.cache = cache
        self.clock = clock
        self.cross_site_guard = CrossSiteGuard(
            host=config.host,
            allowed_hosts=config.allowed_hosts,
            cors_origins=config.cors_origins,
            needs_key=authenticator.needs_key,
        )
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

    def allows_origin(self, origin: bytes) -> bool:
        """Return whether pages of this origin may read responses."""
        allowed = self.config.cors_origins
        return bool(allowed) and ("*" in allowed or origin.decode("latin-1") in allowed)

    def parse(self, body: bytes | bytearray) -> dict[str, Any]:
        """Parse the body of a request. Each request is parsed once.

        Raises:
            RequestError: 400, the body is not a JSON object.
        """
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise invalid(f"the body is not valid JSON: {error}") from error
        if not isinstance(request, dict):
            raise invalid("the body is not a JSON object")
        return request

    def cache_key(self, principal: Principal, path: bytes, request: Mapping[str, Any]) -> bytes | None:
        """Return the key of the response in the response cache; None: the response is not cacheable.

        Raises:
            RequestError: 400, the request is nested too deeply.
        """
        model = request.get("model")
        if self.cache is None or not isinstance(model, str):
            return None
        pool = self._workers.pools.get(model)
        return None if pool is None else self.cache.key(principal, pool.model_identity, path, request)

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
        if self._uses_prefixes or session is not None:
            request.prefix = prefix_blocks(content, session)
        if pool.prefill and len(request.body) >= self.config.prefill_from_bytes and can_disaggregate(content):
            request.disaggregated = Disaggregated(request)
        request.model = model
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
        pool = self._workers.pools[request.model]
        if request.disaggregated is not None and pool.prefill:
            if not request.disaggregated.can_retry(pool, self.config.attempts):
                return False
        elif len(request.tried) >= self.config.attempts or all(one.worker_id in request.tried for one in pool.active):
            return False
        self.metrics.retries.inc()
        self._dispatch_or_queue(request, pool)
        return True

    def _dispatch_or_queue(self, request: PendingRequest, pool: Pool) -> None:
        worker = self._choose_worker(request, pool)
        if worker is not None:
            self._dispatch(request, worker)
            return
        request.queued_at_s = self.clock.monotonic()
        self._queued[request] = None
        self._queue(pool.model_id).push(request)

    def _queue(self, model: str) -> FairQueue[PendingRequest]:
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = FairQueue()
        return queue

    def _choose_worker(self, request: PendingRequest, pool: Pool) -> Worker | None:
        if request.disaggregated is not None and pool.prefill:
            routers = self.prefill_routers
            router = routers.get(pool.model_id) or self._new_router(routers, pool)
            return request.disaggregated.choose_workers(pool, router, request.prefix)
        free = [worker for worker in pool.active if worker.load < worker.capacity]
        if request.tried and any(worker.worker_id not in request.tried for worker in pool.active):
            free = [worker for worker in free if worker.worker_id not in request.tried]
        if not free:
            return None
        router = self.routers.get(pool.model_id) or self._new_router(self.routers, pool)
        return router.choose(free, request.prefix)

    def _new_router(self, routers: dict[str, Router], pool: Pool) -> Router:
        """Each model and each adapter has its own router: their KV caches are not interchangeable."""
        routers[pool.model_id] = choose_router(self.config.routing)
        return routers[pool.model_id]

    def _dispatch(self, request: PendingRequest, worker: Worker) -> None:
        worker.take_slot()
        request.tried.add(worker.worker_id)
        request.first_byte_deadline_s = self.clock.monotonic() + self.config.first_byte_timeout_s
        self._awaiting_first_byte[request] = None
        request.dispatch(worker)

    def on_first_byte(self, request: PendingRequest) -> None:
        """Stop the timeout of a request whose response has begun."""
        self._awaiting_first_byte.pop(request, None)

    def release_slots(self, request: PendingRequest, worker: Worker) -> None:
        """Free the slot that a request holds on a worker, and the one that it has reserved for decoding."""
        self._awaiting_first_byte.pop(request, None)
        self._free_slot(worker)
        if request.disaggregated is not None and (reserved := request.disaggregated.stop(worker)) is not None:
            self._free_slot(reserved)

    def start_decode(self, request: PendingRequest, prefill_worker: Worker) -> Worker:
        """Move a request from the worker that has read its prompt to the one that decodes, and return that one."""
        assert request.disaggregated is not None  # noqa: S101 - prefill has finished
        prefill_worker.record_success()
        decode_worker, reserved = request.disaggregated.choose_decode_worker(self._workers.pools[request.model])
        if decode_worker is not reserved:
            decode_worker.take_slot()
            self._free_slot(reserved)
        request.tried.add(decode_worker.worker_id)
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
            self.metrics.queue_time.observe(self.clock.monotonic() - request.queued_at_s)
            self._dispatch(request, worker)

    def tick(self) -> None:
        """Find workers that are lost or active again, dispatch queued requests, and time out overdue ones."""
        self._workers.remove_lost()
        self._workers.refresh()
        self._workers.close_idle_connections()
        self.fill_slots()
        now = self.clock.monotonic()
        timeout_s = self.config.queue_timeout_s
        for request in _until(self._queued, lambda request: now - request.queued_at_s > timeout_s):
            request.reject(overloaded(f"no worker had capacity within {timeout_s:g} s"))
        for request in _until(self._awaiting_first_byte, lambda request: now > request.first_byte_deadline_s):
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


def _until(requests: dict[PendingRequest, None], overdue: Callable[[PendingRequest], bool]) -> list[PendingRequest]:
    return list(itertools.takewhile(overdue, requests))
