"""A request of a model whose prompts are read by some workers and answered by others.

The first worker is asked as always, with a header more; what it hands over goes before the request to the second one,
whose answer is the client's. A place at the second is taken together with the first's, so that nothing that was read
waits for one. A client sees nothing of it, and can add nothing to it: both headers are made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from novacron_serving.coordinator.upstream import Receiver, UpstreamConnection
from novacron_serving.protocol import HAND_OVER, PREFILL

if TYPE_CHECKING:
    from novacron_serving.coordinator.routing import Router
    from novacron_serving.coordinator.workers import Pool, Worker

_HAND_OVER = HAND_OVER.encode()
_PREFILL_LINE = f"{PREFILL}: 1\r\n".encode()


class Asking(Receiver, Protocol):
    """Whose request it is."""

    def handed_over(self) -> None:
        """The first worker is done: ask the second."""
        ...


def has_two(request: Mapping[str, Any]) -> bool:
    """Whether it can be handed over: one prompt, one answer, and no log probabilities (TensorRT-LLM 1.2)."""
    prompt, logprobs = request.get("prompt"), request.get("logprobs")
    several = isinstance(prompt, list) and not (prompt and isinstance(prompt[0], int))
    return not several and (logprobs is None or logprobs is False) and request.get("n") in (None, 1)


class TwoSteps:
    """Where one request is. It receives what the first worker says; all but a hand-over is the exchange's to hear."""

    def __init__(self, asking: Asking) -> None:
        self.second: Worker | None = None
        """It has a place for the answer; until the first one has handed over."""
        self._asking = asking
        self._hand_over = b""
        self._collects = False
        self._first_id = ""
        self._tries = 0
        self._failed: set[str] = set()
        self._before_a_failure: set[str] = set()
        """Those whose hand-over a second worker failed on."""

    # which workers

    def choose(self, pool: Pool, router: Router, prefix: Sequence[int]) -> Worker | None:
        """The first worker, by where the prompt's beginning is; the second is the least loaded. None: no room."""
        firsts, seconds = self._left(pool)
        seconds = [worker for worker in seconds if worker.load < worker.capacity]
        digests = {worker.model_digest for worker in seconds}
        firsts = [worker for worker in firsts if worker.load < worker.capacity and worker.model_digest in digests]
        if not firsts:
            return None
        first = router.choose(firsts, prefix)
        self._first_id = first.worker_id
        self.second = _least_loaded(seconds, first.model_digest)
        self.second.sent()
        return first

    def _left(self, pool: Pool) -> tuple[list[Worker], list[Worker]]:
        """Those that have not failed this request, room or not."""
        firsts = [worker for worker in pool.prefill if worker.worker_id not in self._failed]
        seconds = [worker for worker in pool.decode if worker.worker_id not in self._failed]
        if not seconds:
            # The first worker may have been gone before its cache was fetched: once more, with another.
            firsts = [worker for worker in firsts if worker.worker_id not in self._before_a_failure]
            seconds = pool.decode
        return firsts, seconds

    def left(self, worker: Worker) -> Worker | None:
        """One of the two gave nothing that is the client's, or all is over. Returns who keeps a place for nothing."""
        self._tries += 1
        self._failed.add(worker.worker_id)
        if self._hand_over:
            self._before_a_failure.add(self._first_id)
        self._hand_over = b""
        kept, self.second = self.second, None
        return kept

    def may_try_again(self, pool: Pool, attempts: int) -> bool:
        """Whether all of it may be asked for once more."""
        firsts, seconds = self._left(pool)
        digests = {worker.model_digest for worker in seconds}
        return self._tries < attempts and any(worker.model_digest in digests for worker in firsts)

    def next(self, pool: Pool) -> tuple[Worker, Worker]:
        """The second worker, now that there is a hand-over; and the one that has kept a place, often the same."""
        kept, self.second = self.second, None
        assert kept is not None  # noqa: S101 - it was chosen with the first
        if kept in pool.decode:
            return kept, kept
        # It has gone meanwhile: what was read need not be read again.
        others = [worker for worker in pool.decode if worker.model_digest == kept.model_digest]
        return (_least_loaded(others, kept.model_digest) if others else kept), kept

    # what is sent, and what is heard of the first worker

    def dress(self, more: bytes, body: bytes | bytearray) -> tuple[bytes, bytes | bytearray, Receiver]:
        """The headers, the body and the receiver of the next step; as they are for a request that goes whole."""
        if self.second is not None:
            return more + _PREFILL_LINE, body, self
        if self._hand_over:
            line = b"%b: %d\r\n" % (_HAND_OVER, len(self._hand_over))
            return more + line, self._hand_over + body, self._asking
        return more, body, self._asking

    def connected(self, connection: UpstreamConnection) -> bool:
        """As for the exchange."""
        return self._asking.connected(connection)

    def begins(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """A hand-over; or an error, or an answer that ended with its first token."""
        self._collects = status == 200 and any(name == _HAND_OVER for name, _ in headers)
        if not self._collects:
            self._asking.begins(status, headers)

    def passes(self, data: bytes) -> None:
        """Its bytes."""
        if self._collects:
            self._hand_over += data
        else:
            self._asking.passes(data)

    def ends(self) -> None:
        """It is whole."""
        if self._collects:
            self._asking.handed_over()
        else:
            self._asking.ends()

    def lost(self, reason: str, *, reused: bool) -> None:
        """The connection is no more; part of a hand-over is none."""
        self._hand_over = b""
        self._asking.lost(reason, reused=reused)


def _least_loaded(workers: Sequence[Worker], model_digest: str) -> Worker:
    same = [worker for worker in workers if worker.model_digest == model_digest]
    return min(same, key=lambda worker: (worker.load, worker.served_requests))
