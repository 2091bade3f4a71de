"""What happens to a request between its arrival and a worker: may it be asked, is there room, who answers.

Everything here is a call on the event loop, without a task: it is on the way of every chat request.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from novacron_serving.coordinator.access import Access, Caller
from novacron_serving.coordinator.admission import FairQueue
from novacron_serving.coordinator.cache import Answers
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.routing import Router, RoutingPolicy, blocks_of, router
from novacron_serving.coordinator.two_steps import Asking, TwoSteps, has_two
from novacron_serving.coordinator.workers import Pool, Worker, Workers
from novacron_serving.errors import RequestError, invalid, overloaded
from novacron_serving.protocol.openai import unknown_model

NOT_LOADED_RETRY_S = 10.0
"""Somebody has to have the model loaded first."""
REPORTS_TO_KNOW_ALL = 3
"""Workers look for coordinators as often as they report: after so many intervals all that live have registered."""


class Asked(Asking, Protocol):
    """A request on its way."""

    body: bytes | bytearray
    steps: TwoSteps | None
    caller: Caller
    model: str
    prefix: tuple[int, ...]
    tried: set[str]
    waits_since_s: float
    first_byte_by_s: float

    @property
    def abandoned(self) -> bool:
        """The client left."""
        ...

    def start(self, worker: Worker) -> None:
        """Ask this worker."""
        ...

    def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        ...


class Gate:
    """Admission, queue and routing of one coordinator."""

    def __init__(
        self,
        config: CoordinatorConfig,
        workers: Workers,
        access: Access,
        metrics: Metrics,
        answers: Answers | None = None,
    ) -> None:
        self.draining = False
        self.under_way = 0
        self.metrics = metrics
        self.access = access
        self.config = config
        self.answers = answers
        self._workers = workers
        self._routers: dict[str, Router] = {}
        self._prefill_routers: dict[str, Router] = {}
        self._queues: dict[str, FairQueue[Asked]] = {}
        self._waiting: dict[Asked, None] = {}
        """In the order in which they time out."""
        self._unanswered: dict[Asked, None] = {}
        """In the order in which they time out."""
        self._needs_prefix = config.routing is RoutingPolicy.PREFIX_AFFINE
        self._began_s = time.monotonic()
        workers.lost_its_cache = self._forget_cache

    @property
    def waiting(self) -> int:
        """Requests that wait for a worker's place."""
        return len(self._waiting)

    def allows_origin(self, origin: bytes) -> bool:
        """Whether a page of this origin may read answers."""
        allowed = self.config.cors_origins
        return bool(allowed) and ("*" in allowed or origin.decode("latin-1") in allowed)

    def read(self, body: bytes | bytearray) -> dict[str, Any]:
        """The one parse of a request. Raises `RequestError` (400)."""
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise invalid(f"the body is not valid JSON: {error}") from error
        if not isinstance(request, dict):
            raise invalid("the body has to be a JSON object")
        return request

    def cache_key(self, caller: Caller, path: bytes, request: Mapping[str, Any]) -> bytes | None:
        """What an answer to this request is kept under; None: it is not kept."""
        if self.answers is None:
            return None
        pool = self._workers.pools.get(str(request.get("model")))
        return None if pool is None else self.answers.key(caller, pool.model_digest, path, request)

    def admit(self, asked: Asked, request: Mapping[str, Any], session: bytes | None) -> None:
        """Send it to a worker, or let it wait. Raises `RequestError` when neither may be."""
        model = request.get("model")
        if not isinstance(model, str):
            raise invalid("model: name the model to ask, see /v1/models", param="model")
        pool = self._workers.pools.get(model)
        if pool is None or not pool.active:
            raise self._not_served(model)
        if self.under_way >= self.config.max_requests:
            raise RequestError(
                429,
                "too many requests are under way; try again in a moment",
                kind="rate_limit_error",
                code="overloaded",
            )
        asked.model = model
        if self._needs_prefix or session is not None:
            asked.prefix = blocks_of(request, session)
        if pool.prefill and len(asked.body) >= self.config.prefill_from_bytes and has_two(request):
            asked.steps = TwoSteps(asked)
        self.under_way += 1
        self._send_or_wait(asked, pool)

    def _not_served(self, model: str) -> RequestError:
        """Why no worker can be asked: there is no such model, or only none that serves it now."""
        workers = self._workers
        if workers.knows(model):
            if not any(model in worker.models for worker in workers.all()):
                return RequestError(
                    503,
                    f"model {model!r} is not loaded: POST /api/v1/llm/models/{model}/load as an operator, or "
                    "wait where /api/v1/llm/models says that it is loading",
                    kind="server_error", code="model_not_loaded", retry_after_s=NOT_LOADED_RETRY_S,
                )  # fmt: skip
            return overloaded(f"no worker that serves {model} is ready at the moment; see /api/v1/llm/cluster/status")
        if not workers.all():
            return overloaded("no worker is ready; see /api/v1/llm/cluster/status")
        if time.monotonic() - self._began_s < REPORTS_TO_KNOW_ALL * self.config.report_interval_s:
            return overloaded(f"this coordinator has just started, and knows no worker yet that serves {model}")
        return unknown_model(model, workers.models())

    def _forget_cache(self, worker: Worker) -> None:
        for routers in (self._routers, self._prefill_routers):
            for model in worker.models:
                if (chooser := routers.get(model)) is not None:
                    chooser.gone(worker)

    def retry(self, asked: Asked) -> bool:
        """Send it to a worker that was not tried yet; false: there is none, or it was tried often enough."""
        pool = self._workers.pools[asked.model]
        if asked.steps is not None and pool.prefill:
            if not asked.steps.may_try_again(pool, self.config.attempts):
                return False
        elif len(asked.tried) >= self.config.attempts or all(one.worker_id in asked.tried for one in pool.active):
            return False
        self.metrics.retries.inc()
        self._send_or_wait(asked, pool)
        return True

    def _send_or_wait(self, asked: Asked, pool: Pool) -> None:
        worker = self._choose(asked, pool)
        if worker is not None:
            self._send(asked, worker)
            return
        asked.waits_since_s = time.monotonic()
        self._waiting[asked] = None
        self._queue(pool.model_id).put(asked)

    def _queue(self, model: str) -> FairQueue[Asked]:
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = FairQueue()
        return queue

    def _choose(self, asked: Asked, pool: Pool) -> Worker | None:
        if asked.steps is not None and pool.prefill:
            routers = self._prefill_routers
            chooser = routers.get(pool.model_id) or self._new_router(routers, pool)
            return asked.steps.choose(pool, chooser, asked.prefix)
        with_room = [worker for worker in pool.active if worker.load < worker.capacity]
        if asked.tried and any(worker.worker_id not in asked.tried for worker in pool.active):
            with_room = [worker for worker in with_room if worker.worker_id not in asked.tried]
        if not with_room:
            return None
        chooser = self._routers.get(pool.model_id) or self._new_router(self._routers, pool)
        return chooser.choose(with_room, asked.prefix)

    def _new_router(self, routers: dict[str, Router], pool: Pool) -> Router:
        """One for each model, and so for each adapter: what one has in a cache is no other's."""
        routers[pool.model_id] = router(self.config.routing)
        return routers[pool.model_id]

    def _send(self, asked: Asked, worker: Worker) -> None:
        worker.sent()
        asked.tried.add(worker.worker_id)
        asked.first_byte_by_s = time.monotonic() + self.config.first_byte_timeout_s
        self._unanswered[asked] = None
        asked.start(worker)

    def answered(self, asked: Asked) -> None:
        """The first byte of its answer is there."""
        self._unanswered.pop(asked, None)

    def left(self, asked: Asked, worker: Worker) -> None:
        """A worker has one request less: it answered, failed, or nobody waits any more."""
        self._unanswered.pop(asked, None)
        worker.left()
        if self._waiting:
            self._fill_places_of(worker)
        if asked.steps is not None and (kept := asked.steps.left(worker)) is not None:
            self.free(kept)

    def handed_over(self, asked: Asked, first: Worker) -> Worker:
        """A worker has read the prompt; which one is to answer."""
        assert asked.steps is not None  # noqa: S101 - it was handed over
        first.succeeded()
        second, kept = asked.steps.next(self._workers.pools[asked.model])
        if second is not kept:
            second.sent()
            self.free(kept)
        asked.tried.add(second.worker_id)
        self.free(first)
        return second

    def free(self, worker: Worker) -> None:
        """A place was kept for nothing."""
        worker.left()
        if self._waiting:
            self._fill_places_of(worker)

    def over(self, asked: Asked) -> None:
        """A request that was admitted is done with."""
        self.under_way -= 1
        self._waiting.pop(asked, None)

    def renew(self) -> None:
        """A worker may have become active, or not be any more."""
        self._workers.renew()

    def room(self) -> None:
        """There may be room for those who wait."""
        for model in self._queues:
            self._fill(model)

    def _fill_places_of(self, worker: Worker) -> None:
        """Its model and its adapters have them in turn."""
        first = worker.served_requests % len(worker.models)
        for model in itertools.islice(itertools.cycle(worker.models), first, first + len(worker.models)):
            self._fill(model)

    def _fill(self, model: str) -> None:
        queue, pool = self._queues.get(model), self._workers.pools[model]
        if queue is None:
            return
        while (asked := queue.take()) is not None:
            worker = self._choose(asked, pool)
            if worker is None:
                queue.put_back(asked)
                return
            del self._waiting[asked]
            self.metrics.queue_time.observe(time.monotonic() - asked.waits_since_s)
            self._send(asked, worker)

    def tick(self) -> None:
        """Every now and then: who is lost, who waited too long."""
        self._workers.forget()
        self._workers.renew()
        self._workers.close_idle_connections()
        self.room()
        now = time.monotonic()
        longest_s = self.config.queue_timeout_s
        for asked in _until(self._waiting, lambda asked: now - asked.waits_since_s > longest_s):
            asked.refuse(overloaded(f"no worker had a place within {longest_s:g} s"))
        for asked in _until(self._unanswered, lambda asked: now > asked.first_byte_by_s):
            # The worker may still be at it: sending the same to another would double the load.
            asked.refuse(
                RequestError(
                    504,
                    f"the worker gave no answer within {self.config.first_byte_timeout_s:g} s; stream the answer, or "
                    "ask for less",
                    kind="server_error",
                    code="timeout",
                )
            )


def _until(waiting: dict[Asked, None], late: Callable[[Asked], bool]) -> list[Asked]:
    return list(itertools.takewhile(late, waiting))
