"""The workers that the coordinator knows: what they last said, what they were sent since, whether they are asked."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.upstream import Upstream
from novacron_serving.protocol import PerformanceProfile, WorkerRole, adapter_model

FAILURES_IN_A_ROW = 5
"""Answers with a status of 500 or more (not 503) that make a worker rest; a connection that breaks does at once."""
DEFAULT_CACHE_TOKENS = 2**19
"""Of a worker that does not say."""
FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0
"""The rest doubles each time until an answer succeeds."""


class WorkerStatus(str, Enum):
    """Whether a worker is given requests, and why not."""

    ACTIVE = "active"
    DRAINING = "draining"
    FAILED = "failed"
    LOST = "lost"


@dataclass(slots=True, eq=False)
class Worker:
    """One worker, as routing sees it."""

    worker_id: str
    address: str
    model_id: str
    engine: str
    max_concurrent_requests: int
    max_context_tokens: int
    upstream: Upstream
    seen_s: float
    """Monotonic time of the last report."""
    capacity: int
    """Requests that it is given at once."""
    model_digest: str = ""
    """Of the weights; empty: it does not say."""
    incarnation: str = ""
    """Another one whenever what it had cached is lost; empty: it does not say."""
    assignment_id: str = ""
    """The assignment whose model it serves; empty: it serves what it was started with."""
    failed_assignment_id: str = ""
    failure: str = ""
    """Why it could not fulfil that one."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it can be asked for, its model and its adapters, each with the digest of what is served by that name."""
    role: WorkerRole = WorkerRole.BOTH
    performance_profile: PerformanceProfile = PerformanceProfile.BALANCED
    kv_cache_capacity_tokens: int = DEFAULT_CACHE_TOKENS
    """What its cache holds; what was sent before that is taken to be forgotten."""
    slot: int = 0
    """Its bit in a routing index."""
    seed: int = 0
    """Made from its id: the same at every coordinator."""
    in_flight: int = 0
    """Sent by this coordinator."""
    load: int = 0
    """These, and what it reported beyond them: other coordinators' requests."""
    draining: bool = False
    resting_until_s: float = 0.0
    failures: int = 0
    rests: int = 0
    kv_cache_utilization: float = 0.0
    served_requests: int = 0

    @property
    def assignable(self) -> bool:
        """Whether it could serve another model: not in a pair's place, nor with one model's adapters."""
        return self.role is WorkerRole.BOTH and len(self.models) == 1

    def sent(self) -> None:
        """It has one request more."""
        self.in_flight += 1
        self.load += 1
        self.served_requests += 1

    def left(self) -> None:
        """It has one less."""
        self.in_flight -= 1
        self.load -= 1

    def reported(self, requests: int) -> None:
        """It said how many requests it has: this coordinator's and others'."""
        self.seen_s = time.monotonic()
        self.load = max(requests, self.in_flight)

    def failed(self, *, at_once: bool) -> None:
        """It gave no answer, or one that only a fault explains."""
        self.failures += 1
        if at_once or self.failures >= FAILURES_IN_A_ROW:
            self.failures = 0
            rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2**self.rests)
            self.rests += 1
            self.resting_until_s = time.monotonic() + rest_s

    def succeeded(self) -> None:
        """It answered."""
        self.failures = self.rests = 0


@dataclass(slots=True, eq=False)
class Pool:
    """The workers of one model. `active` is renewed by `Workers.renew`, so that routing has nothing to find out."""

    model_id: str
    parent: str | None = None
    """The model that this one is an adapter of."""
    active: list[Worker] = field(default_factory=list[Worker])
    """Those that answer whole requests."""
    decode: list[Worker] = field(default_factory=list[Worker])
    """Those of them that answer what was handed over as well."""
    prefill: list[Worker] = field(default_factory=list[Worker])
    """Those that can hand over to one of `decode`. While there are none, requests are answered whole."""
    model_digest: str | None = None
    """What all of them serve; None while they differ, or do not say."""

    def renew(self, workers: list[Worker]) -> None:
        """Args: `workers`: those of this model that are active."""
        self.active = [worker for worker in workers if worker.role is not WorkerRole.PREFILL]
        self.decode = [worker for worker in workers if worker.role is WorkerRole.DECODE]
        # A cache that other weights made would be taken for one's own.
        taken = {worker.model_digest for worker in self.decode}
        self.prefill = [
            worker for worker in workers if worker.role is WorkerRole.PREFILL and worker.model_digest in taken
        ]
        digests = {worker.models[self.model_id] for worker in workers}
        self.model_digest = next(iter(digests)) or None if len(digests) == 1 else None


class Workers:
    """All workers by id, and by model."""

    def __init__(self, config: CoordinatorConfig, token: str, tls: ClusterTls | None = None) -> None:
        self._config = config
        self._tls = tls
        self._token = token
        self._workers: dict[str, Worker] = {}
        self.pools: dict[str, Pool] = {}
        """By model; a model that was served once keeps its pool."""
        self.registered: frozenset[str] = frozenset()
        """Models that a worker may be told to serve."""
        self.lost_its_cache: Callable[[Worker], None] = lambda _: None
        """Called when a worker's cache is known to be lost, before its slot may be another's."""

    def register(
        self,
        *,
        worker_id: str,
        address: str,
        model_id: str,
        engine: str,
        model_digest: str,
        max_concurrent_requests: int,
        max_context_tokens: int,
        kv_cache_capacity_tokens: int,
        incarnation: str = "",
        assignment_id: str = "",
        role: WorkerRole = WorkerRole.BOTH,
        performance_profile: PerformanceProfile = PerformanceProfile.BALANCED,
        adapters: Mapping[str, str] | None = None,
    ) -> None:
        """A worker is there, or there again: as it was, or as a new process, of which nothing is held against it."""
        before = self._workers.get(worker_id)
        if before is not None and incarnation and before.incarnation == incarnation:
            before.seen_s, before.draining, before.assignment_id = time.monotonic(), False, assignment_id
            self.renew()
            return
        self._remove(worker_id)
        slots = {worker.slot for worker in self._workers.values()}
        self._workers[worker_id] = Worker(
            worker_id=worker_id,
            address=address,
            model_id=model_id,
            engine=engine,
            model_digest=model_digest,
            incarnation=incarnation,
            assignment_id=assignment_id,
            models={model_id: model_digest}
            | {adapter_model(model_id, name): _with(model_digest, digest) for name, digest in (adapters or {}).items()},
            role=role,
            performance_profile=performance_profile,
            max_concurrent_requests=max_concurrent_requests,
            max_context_tokens=max_context_tokens,
            upstream=Upstream(address, self._token, self._tls),
            seen_s=time.monotonic(),
            capacity=max_concurrent_requests + self._config.worker_queue,
            kv_cache_capacity_tokens=kv_cache_capacity_tokens or DEFAULT_CACHE_TOKENS,
            seed=zlib.crc32(worker_id.encode()),
            slot=next(free for free in range(len(slots) + 1) if free not in slots),
        )
        self.renew()

    def left(self, worker: Worker) -> None:
        """It has ended, and said so."""
        self._remove(worker.worker_id)
        self.renew()

    def _remove(self, worker_id: str) -> None:
        """Requests that it still has go on; nothing else is known of it any more."""
        if (worker := self._workers.pop(worker_id, None)) is not None:
            worker.upstream.close()
            self.lost_its_cache(worker)

    def get(self, worker_id: str, incarnation: str = "") -> Worker | None:
        """A worker by its id; None as well when a later process has that id."""
        worker = self._workers.get(worker_id)
        return worker if worker is not None and worker.incarnation == (incarnation or worker.incarnation) else None

    def all(self) -> list[Worker]:
        """Those that are there, and those that were lost less than `forget_after_s` ago, by id."""
        return sorted(self._workers.values(), key=lambda worker: worker.worker_id)

    def knows(self, model_id: str) -> bool:
        """Whether there is this model: it is registered, or one of them, perhaps a lost one, served it last."""
        return model_id in self.registered or any(model_id in worker.models for worker in self._workers.values())

    def status(self, worker: Worker) -> WorkerStatus:
        """Whether it is given requests."""
        now = time.monotonic()
        if now - worker.seen_s > self._config.lost_after_s:
            return WorkerStatus.LOST
        if worker.draining:
            return WorkerStatus.DRAINING
        return WorkerStatus.FAILED if now < worker.resting_until_s else WorkerStatus.ACTIVE

    def forget(self) -> None:
        """Drop those that are lost for good. One that was draining was about to go anyway."""
        now = time.monotonic()
        for worker in self.all():
            after_s = self._config.lost_after_s if worker.draining else self._config.forget_after_s
            if now - worker.seen_s > after_s:
                self._remove(worker.worker_id)

    def renew(self) -> None:
        """Find out again who is active: after whatever changes it, and every now and then."""
        active: dict[str, list[Worker]] = {model_id: [] for model_id in self.pools}
        for worker in self._workers.values():
            asked = self.status(worker) is WorkerStatus.ACTIVE
            for model_id in worker.models:
                if model_id not in self.pools:
                    parent = None if model_id == worker.model_id else worker.model_id
                    self.pools[model_id], active[model_id] = Pool(model_id, parent), []
                if asked:
                    active[model_id].append(worker)
        for model_id, pool in self.pools.items():
            pool.renew(active[model_id])

    def active(self) -> list[Worker]:
        """Those that are given requests."""
        return [worker for worker in self._workers.values() if self.status(worker) is WorkerStatus.ACTIVE]

    def models(self) -> list[str]:
        """What can be asked for now."""
        return sorted(pool.model_id for pool in self.pools.values() if pool.active)

    def close_idle_connections(self) -> None:
        """Those that were not used for a while."""
        for worker in self._workers.values():
            worker.upstream.close_idle()


def _with(model_digest: str, adapter_digest: str) -> str:
    """Of a model with an adapter; empty while one of the two is not known."""
    if not model_digest or not adapter_digest:
        return ""
    return hashlib.sha256(f"{model_digest} {adapter_digest}".encode()).hexdigest()
