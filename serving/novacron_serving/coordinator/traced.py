"""Requests on the hot path of a coordinator that has a collector: a span for each, and one for each attempt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind

from novacron_serving.coordinator.exchange import Exchange
from novacron_serving.tracing import Tracing, fail

if TYPE_CHECKING:
    from novacron_serving.coordinator.upstream import UpstreamConnection
    from novacron_serving.coordinator.workers import Worker
    from novacron_serving.errors import RequestError

_CONTEXT = (b"traceparent", b"tracestate")


def traced(tracing: Tracing) -> type[Exchange]:
    """The exchange that makes spans."""

    class Bound(TracedExchange):
        _tracing = tracing

    return Bound


class TracedExchange(Exchange):
    """An exchange whose spans are children of its client's."""

    _tracing: Tracing
    _span: Span | None = None
    _attempt: Span | None = None
    _asked_s = 0.0
    _starts = 0
    """How often it was given to a worker, or to a pair of them."""

    def _ask(self) -> None:
        if self._span is None and not self._done:
            said = {name.decode(): value.decode("latin-1") for name, value in self._headers if name in _CONTEXT}
            told = {"gen_ai.operation.name": self._operation}
            self._span = self._tracing.begin(self._operation, SpanKind.SERVER, self._tracing.parent(said), told)
            self._asked_s = time.perf_counter()
        super()._ask()

    @property
    def _operation(self) -> str:
        return "chat" if b"/chat/" in self._path else "text_completion"

    def start(self, worker: Worker) -> None:
        """Ask this worker."""
        self._starts += 1
        if self._span is not None and self._starts == 1:
            self._span.set_attribute("novacron.queue_time_s", time.perf_counter() - self._asked_s)
        super().start(worker)

    def _send(self, worker: Worker, *, fresh: bool) -> None:
        assert self._span is not None  # noqa: S101 - it was asked
        self._end_attempt()  # of who has read the prompt, if another one answers it
        told = {
            "gen_ai.request.model": self.model, "novacron.worker": worker.worker_id, "server.address": worker.address,
        }  # fmt: skip
        parent = self._tracing.below(self._span)
        self._attempt = self._tracing.begin(f"ask {worker.worker_id}", SpanKind.CLIENT, parent, told)
        context = self._tracing.headers(self._attempt).items()
        self._headers = [
            *(item for item in self._headers if item[0] not in _CONTEXT),
            *((name.encode(), value.encode()) for name, value in context),
        ]
        super()._send(worker, fresh=fresh)

    def connected(self, connection: UpstreamConnection) -> bool:
        """A connection was opened for it."""
        if self._attempt is not None:
            self._attempt.add_event("connected")
        return super().connected(connection)

    def begins(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """A worker's answer begins."""
        if self._attempt is not None:
            self._attempt.set_attribute("http.response.status_code", status)
            self._attempt.add_event("first byte")
            if status >= 400:
                fail(self._attempt, str(status), ours=status >= 500)
        super().begins(status, headers)

    def ends(self) -> None:
        """A worker's answer is whole."""
        self._end_attempt()
        super().ends()

    def lost(self, reason: str, *, reused: bool) -> None:
        """The connection to the worker is no more."""
        self._end_attempt("connection_lost")
        super().lost(reason, reused=reused)

    def _repeat(self, answer: bytes) -> None:
        if self._span is not None:
            self._span.set_attribute("novacron.cache.hit", True)
        super()._repeat(answer)

    def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        if self._span is not None and not self._done:
            fail(self._span, error.code or str(error.status), ours=error.status >= 500)
        super().refuse(error)

    def _finish(self, status: int) -> None:
        super()._finish(status)
        self._end_attempt("client_left" if status == 499 else None)
        span, self._span = self._span, None
        if span is None:
            return
        if self.model:
            span.update_name(f"{self._operation} {self.model}")
            attributes: dict[str, Any] = {
                "gen_ai.request.model": self.model, "novacron.retries": max(0, self._starts - 1),
            }  # fmt: skip
            span.set_attributes(attributes)
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            fail(span, "client_left" if status == 499 else str(status), ours=status >= 500)
        span.end()

    def _end_attempt(self, failure: str | None = None) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if failure:
            fail(attempt, failure)
        attempt.end()
