"""Tracing of requests on the hot path, for a coordinator with an OpenTelemetry collector.

Each request has a span, and each attempt at a worker has a child span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind

from novacron_serving.coordinator.http.proxy_request import ProxyRequest
from novacron_serving.tracing import Tracing, mark_failed

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from novacron_serving.coordinator.workers.upstream import UpstreamConnection
    from novacron_serving.coordinator.workers.workers import Worker
    from novacron_serving.errors import RequestError

_TRACE_CONTEXT = (b"traceparent", b"tracestate")
_CLIENT_DISCONNECTED = 499


def instrumented(tracing: Tracing) -> type[ProxyRequest]:
    """Return the request class that records spans."""

    class Bound(InstrumentedProxyRequest):
        _tracing = tracing

    return Bound


class InstrumentedProxyRequest(ProxyRequest):
    """A request that records spans, as children of its client's span."""

    _tracing: Tracing
    _span: Span | None = None
    _attempt: Span | None = None
    _received_s = 0.0
    _dispatches = 0
    """How often it was dispatched to a worker, or to a pair of workers."""

    def _handle(self) -> None:
        if self._span is None and not self._done:
            context = {
                name.decode(): value.decode("latin-1") for name, value in self._headers if name in _TRACE_CONTEXT
            }
            attributes: dict[str, AttributeValue] = {"gen_ai.operation.name": self._operation}
            parent = self._tracing.parent(context)
            self._span = self._tracing.begin(self._operation, SpanKind.SERVER, parent, attributes)
            self._received_s = self._scheduler.clock.monotonic()
        super()._handle()

    @property
    def _operation(self) -> str:
        return "chat" if b"/chat/" in self._path else "text_completion"

    def dispatch(self, worker: Worker) -> None:
        """Send the request to a worker."""
        self._dispatches += 1
        if self._span is not None and self._dispatches == 1:
            queue_time_s = self._scheduler.clock.monotonic() - self._received_s
            self._span.set_attribute("novacron.queue_time_s", queue_time_s)
        super().dispatch(worker)

    def _send(self, worker: Worker, *, new_connection: bool) -> None:
        assert self._span is not None  # noqa: S101 - `_handle` has made it
        self._end_attempt()  # of the prefill worker, if this is the decode worker
        attributes: dict[str, AttributeValue] = {
            "gen_ai.request.model": self.model, "novacron.worker": worker.worker_id, "server.address": worker.address,
        }  # fmt: skip
        parent = self._tracing.below(self._span)
        self._attempt = self._tracing.begin(f"ask {worker.worker_id}", SpanKind.CLIENT, parent, attributes)
        context = self._tracing.headers(self._attempt).items()
        self._headers = [
            *(item for item in self._headers if item[0] not in _TRACE_CONTEXT),
            *((name.encode(), value.encode()) for name, value in context),
        ]
        super()._send(worker, new_connection=new_connection)

    def on_connect(self, connection: UpstreamConnection) -> bool:
        """Record a new connection."""
        if self._attempt is not None:
            self._attempt.add_event("connected")
        return super().on_connect(connection)

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Record the status of the worker's response."""
        if self._attempt is not None:
            self._attempt.set_attribute("http.response.status_code", status)
            self._attempt.add_event("first byte")
            if status >= 400:
                mark_failed(self._attempt, str(status), ours=status >= 500)
        super().on_headers(status, headers)

    def on_complete(self) -> None:
        """End the span of the attempt."""
        self._end_attempt()
        super().on_complete()

    def on_error(self, reason: str, *, reused: bool) -> None:
        """Record the failure of the attempt."""
        self._end_attempt("connection_lost")
        super().on_error(reason, reused=reused)

    def _respond_from_cache(self, response: bytes) -> None:
        if self._span is not None:
            self._span.set_attribute("novacron.cache.hit", True)
        super()._respond_from_cache(response)

    def reject(self, error: RequestError) -> None:
        """Record the error."""
        if self._span is not None and not self._done:
            mark_failed(self._span, error.code or str(error.status), ours=error.status >= 500)
        super().reject(error)

    def _finish(self, status: int) -> None:
        super()._finish(status)
        disconnected = status == _CLIENT_DISCONNECTED
        self._end_attempt("client_left" if disconnected else None)
        span, self._span = self._span, None
        if span is None:
            return
        if self.model:
            span.update_name(f"{self._operation} {self.model}")
            attributes: dict[str, AttributeValue] = {
                "gen_ai.request.model": self.model, "novacron.retries": max(0, self._dispatches - 1),
            }  # fmt: skip
            span.set_attributes(attributes)
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            mark_failed(span, "client_left" if disconnected else str(status), ours=status >= 500)
        span.end()

    def _end_attempt(self, failure: str | None = None) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if failure:
            mark_failed(attempt, failure)
        attempt.end()
