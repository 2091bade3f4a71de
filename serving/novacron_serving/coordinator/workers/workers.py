"""The workers that a coordinator knows: their last reports, their load, and whether they get requests.

A worker is `active` while it reports. It is `failed` while it is ejected after failures, `draining` before it stops or
loads another model, and `lost` when its reports stop. A lost worker that reports again is active, with its KV cache. A
new process, or a newly loaded model, has another incarnation: it starts without a cache and without a failure record.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.workers.upstream import Upstream
from novacron_serving.protocol import PerformanceProfile, WorkerRole, adapter_model

CONSECUTIVE_FAILURES = 5
"""Responses in a row with a status of 500 or more (except 503) that eject a worker. A lost connection does at once."""
DEFAULT_CACHE_TOKENS = 2**19
"""KV cache of a worker that does not report its size."""
BASE_EJECTION_S, MAX_EJECTION_S = 0.5, 30.0
"""The ejection time doubles with each ejection, until a response succeeds."""


class WorkerStatus(str, Enum):
    """Whether a worker gets requests."""

    ACTIVE = "active"
    DRAINING = "draining"
    FAILED = "failed"
    LOST = "lost"


@dataclass(slots=True, eq=False)
class Worker:
    """A worker and its state."""

    worker_id: str
    address: str
    model_id: str
    engine: str
    max_concurrent_requests: int
    max_context_tokens: int
    upstream: Upstream
    last_seen_s: float
    """Monotonic time of the last report."""
    capacity: int
    """Slots: requests that the worker gets at the same time."""
    model_digest: str = ""
    """Digest of the weights; empty: not reported."""
    incarnation: str = ""
    """Changes whenever the KV cache is lost; empty: not reported."""
    assignment_id: str = ""
    """The assignment whose model it serves; empty: it serves the model that it was started with."""
    failed_assignment_id: str = ""
    """The assignment that it could not load."""
    failure: str = ""
    """Why it could not load that assignment."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of its model and of its adapters, each with a digest of what it serves under that name."""
    role: WorkerRole = WorkerRole.BOTH
    performance_profile: PerformanceProfile = PerformanceProfile.BALANCED
    kv_cache_capacity_tokens: int = DEFAULT_CACHE_TOKENS
    index_bit: int = 0
    """Its bit in a routing index."""
    seed: int = 0
    """A hash of its id, the same at every coordinator."""
    in_flight: int = 0
    """Requests from this coordinator."""
    load: int = 0
    """Requests from all coordinators, as far as known."""
    draining: bool = False
    ejected_until_s: float = 0.0
    """Monotonic time."""
    failures: int = 0
    """Failures in a row."""
    ejections: int = 0
    """Ejections in a row."""
    kv_cache_utilization: float = 0.0
    served_requests: int = 0

    @property
    def assignable(self) -> bool:
        """Whether it can load another model. A worker with a disaggregated role or with adapters cannot."""
        return self.role is WorkerRole.BOTH and len(self.models) == 1

    def take_slot(self) -> None:
        """Count one more request."""
        self.in_flight += 1
        self.load += 1
        self.served_requests += 1

    def free_slot(self) -> None:
        """Count one request less."""
        self.in_flight -= 1
        self.load -= 1

    def record_report(self, now_s: float, requests: int) -> None:
        """Record a report.

        Args:
            now_s: monotonic time.
            requests: the requests that the worker has, from all coordinators.
        """
        self.last_seen_s = now_s
        self.load = max(requests, self.in_flight)

    def record_failure(self, now_s: float, *, eject: bool) -> None:
        """Record a failed request, and eject the worker after too many in a row.

        Args:
            now_s: monotonic time.
            eject: whether this failure ejects the worker, however many came before.
        """
        self.failures += 1
        if eject or self.failures >= CONSECUTIVE_FAILURES:
            self.failures = 0
            self.ejected_until_s = now_s + min(MAX_EJECTION_S, BASE_EJECTION_S * 2**self.ejections)
            self.ejections += 1

    def record_success(self) -> None:
        """Record a response without an error."""
        self.failures = self.ejections = 0


@dataclass(slots=True, eq=False)
class Pool:
    """The workers of one model. `Workers.refresh` keeps it up to date, so that routing finds everything ready."""

    model_id: str
    parent: str | None = None
    """The base model, if this is an adapter."""
    active: list[Worker] = field(default_factory=list[Worker])
    """Active workers that generate answers."""
    decode: list[Worker] = field(default_factory=list[Worker])
    """Those of them that accept KV transfers."""
    prefill: list[Worker] = field(default_factory=list[Worker])
    """Active workers that can transfer to one of `decode`. While there are none, requests are not disaggregated."""
    model_identity: str | None = None
    """Identifies what all of them serve, for the response cache; None: they differ."""

    def refresh(self, workers: Sequence[Worker]) -> None:
        """Set the active workers of this model."""
        self.active = [worker for worker in workers if worker.role is not WorkerRole.PREFILL]
        self.decode = [worker for worker in workers if worker.role is WorkerRole.DECODE]
        # A decode worker cannot use a KV cache that other weights have computed.
        digests = {worker.model_digest for worker in self.decode}
        self.prefill = [
            worker for worker in workers if worker.role is WorkerRole.PREFILL and worker.model_digest in digests
        ]
        self.model_identity = _model_identity(self.model_id, workers)


def _model_identity(model_id: str, workers: Sequence[Worker]) -> str | None:
    """Return the digest that all workers report; or, for a model that has none, an identity of their processes.

    A model that is loaded from a folder has no digest. It cannot change while the same processes serve it.
    """
    digests = {worker.models[model_id] for worker in workers}
    if len(digests) != 1:
        return None
    (digest,) = digests
    if digest:
        return digest
    incarnations = sorted(worker.incarnation for worker in workers)
    return hashlib.sha256(" ".join(incarnations).encode()).hexdigest() if all(incarnations) else None


class Workers:
    """All workers by id, and by model."""

    def __init__(
        self, config: CoordinatorConfig, token: str, tls: ClusterTls | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.clock = clock
        self._config = config
        self._tls = tls
        self._token = token
        self._workers: dict[str, Worker] = {}
        self.pools: dict[str, Pool] = {}
        """By model. A model that was served once keeps its pool."""
        self.registered: frozenset[str] = frozenset()
        """Models in the registry, which workers can load."""
        self.on_cache_lost: Callable[[Worker], None] = lambda _: None
        """Called when a worker's KV cache is lost, before another worker can get its index bit."""

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
        """Add a worker, or update it. A worker with a new incarnation starts without state."""
        before = self._workers.get(worker_id)
        if before is not None and incarnation and before.incarnation == incarnation:
            before.last_seen_s, before.draining = self.clock.monotonic(), False
            before.assignment_id = assignment_id
            self.refresh()
            return
        upstream = Upstream(address, self._token, self._tls, self.clock)
        self._remove(worker_id)
        bits = {worker.index_bit for worker in self._workers.values()}
        self._workers[worker_id] = Worker(
            worker_id=worker_id,
            address=address,
            model_id=model_id,
            engine=engine,
            model_digest=model_digest,
            incarnation=incarnation,
            assignment_id=assignment_id,
            models={model_id: model_digest}
            | {
                adapter_model(model_id, name): _adapter_digest(model_digest, digest)
                for name, digest in (adapters or {}).items()
            },
            role=role,
            performance_profile=performance_profile,
            max_concurrent_requests=max_concurrent_requests,
            max_context_tokens=max_context_tokens,
            upstream=upstream,
            last_seen_s=self.clock.monotonic(),
            capacity=max_concurrent_requests + self._config.worker_queue,
            kv_cache_capacity_tokens=kv_cache_capacity_tokens or DEFAULT_CACHE_TOKENS,
            seed=zlib.crc32(worker_id.encode()),
            index_bit=next(bit for bit in range(len(bits) + 1) if bit not in bits),
        )
        self.refresh()

    def remove(self, worker: Worker) -> None:
        """Remove a worker that has stopped."""
        self._remove(worker.worker_id)
        self.refresh()

    def _remove(self, worker_id: str) -> None:
        """Forget a worker. Its requests in flight continue."""
        if (worker := self._workers.pop(worker_id, None)) is not None:
            worker.upstream.close()
            self.on_cache_lost(worker)

    def get(self, worker_id: str, incarnation: str = "") -> Worker | None:
        """Return a worker by its id; None as well if a later process has this id."""
        worker = self._workers.get(worker_id)
        return worker if worker is not None and worker.incarnation == (incarnation or worker.incarnation) else None

    def all(self) -> list[Worker]:
        """Return all workers by id, including those that were lost less than `forget_after_s` ago."""
        return sorted(self._workers.values(), key=lambda worker: worker.worker_id)

    def knows_model(self, model_id: str) -> bool:
        """Return whether a model is registered, or served by a worker that may be lost."""
        return model_id in self.registered or any(model_id in worker.models for worker in self._workers.values())

    def is_lost(self, worker: Worker) -> bool:
        """Return whether a worker has not reported for `lost_after_s`."""
        return self.clock.monotonic() - worker.last_seen_s > self._config.lost_after_s

    def excuse(self, seconds: float) -> None:
        """Forgive all workers this many seconds, in which the coordinator itself did not run."""
        for worker in self._workers.values():
            worker.last_seen_s += seconds

    def status(self, worker: Worker) -> WorkerStatus:
        """Return whether a worker gets requests."""
        now = self.clock.monotonic()
        if self.is_lost(worker):
            return WorkerStatus.LOST
        if worker.draining:
            return WorkerStatus.DRAINING
        return WorkerStatus.FAILED if now < worker.ejected_until_s else WorkerStatus.ACTIVE

    def remove_lost(self) -> None:
        """Remove workers that have been lost for `forget_after_s`. Draining ones go once they are lost.

        Idle connections to a lost worker are closed: its machine may have gone without a word.
        """
        now = self.clock.monotonic()
        for worker in self.all():
            if self.is_lost(worker):
                worker.upstream.close()
            after_s = self._config.lost_after_s if worker.draining else self._config.forget_after_s
            if now - worker.last_seen_s > after_s:
                self._remove(worker.worker_id)

    def refresh(self) -> None:
        """Update the pools: after every change of a worker, and regularly, because time alone changes its status."""
        active: dict[str, list[Worker]] = {model_id: [] for model_id in self.pools}
        for worker in self._workers.values():
            is_active = self.status(worker) is WorkerStatus.ACTIVE
            for model_id in worker.models:
                if model_id not in self.pools:
                    parent = None if model_id == worker.model_id else worker.model_id
                    self.pools[model_id], active[model_id] = Pool(model_id, parent), []
                if is_active:
                    active[model_id].append(worker)
        for model_id, pool in self.pools.items():
            pool.refresh(active[model_id])

    def active(self) -> list[Worker]:
        """Return the workers that get requests."""
        return [worker for worker in self._workers.values() if self.status(worker) is WorkerStatus.ACTIVE]

    def models(self) -> list[str]:
        """Return the names of models and adapters that clients can use now."""
        return sorted(pool.model_id for pool in self.pools.values() if pool.active)

    def close_idle_connections(self) -> None:
        """Close connections that have been idle for a while."""
        for worker in self._workers.values():
            worker.upstream.close_idle()


def _adapter_digest(model_digest: str, adapter_digest: str) -> str:
    """Return the digest of a model with an adapter; empty while one of the two is unknown."""
    if not model_digest or not adapter_digest:
        return ""
    return hashlib.sha256(f"{model_digest} {adapter_digest}".encode()).hexdigest()
