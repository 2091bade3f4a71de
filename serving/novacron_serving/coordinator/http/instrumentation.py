"""Tracing of requests on the hot path, for a coordinator with an OpenTelemetry collector.

Each request has a span, and each attempt at a worker has a child span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind

from novacron_serving.clock import Clock
from novacron_serving.coordinator.http.observers import CLIENT_DISCONNECTED, RequestObserver
from novacron_serving.coordinator.http.request_head import RequestHead
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.tracing import Tracing, mark_failed

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue


class RequestTrace(RequestObserver):
    """Records the spans of one request, as children of its client's span."""

    def __init__(self, tracing: Tracing, clock: Clock) -> None:
        self._tracing = tracing
        self._clock = clock
        self._operation = ""
        self._span: Span | None = None
        self._attempt: Span | None = None
        self._received_s = 0.0
        self._attempts = 0

    def on_received(self, head: RequestHead) -> None:
        """Start the request's span."""
        self._operation = "chat" if b"/chat/" in head.path else "text_completion"
        self._received_s = self._clock.monotonic()
        attributes: dict[str, AttributeValue] = {"gen_ai.operation.name": self._operation}
        parent = self._tracing.parent(head.trace_headers())
        self._span = self._tracing.begin(self._operation, SpanKind.SERVER, parent, attributes)

    def on_cache_hit(self) -> None:
        """Record that the response is a cached one."""
        if self._span is not None:
            self._span.set_attribute("novacron.cache.hit", True)

    def on_send(self, head: RequestHead, worker: Worker, model: str, attempt: int) -> None:
        """Start the attempt's span, and make the worker's spans its children."""
        if self._span is None:
            return
        if self._attempts == 0:
            self._span.set_attribute("novacron.queue_time_s", self._clock.monotonic() - self._received_s)
        self._attempts = attempt
        attributes: dict[str, AttributeValue] = {
            "gen_ai.request.model": model, "novacron.worker": worker.worker_id, "server.address": worker.address,
        }  # fmt: skip
        parent = self._tracing.below(self._span)
        self._attempt = self._tracing.begin(f"ask {worker.worker_id}", SpanKind.CLIENT, parent, attributes)
        context = self._tracing.headers(self._attempt).items()
        head.trace_context = b"".join(f"{name}: {value}\r\n".encode() for name, value in context)

    def on_connect(self) -> None:
        """Record a new connection."""
        if self._attempt is not None:
            self._attempt.add_event("connected")

    def on_first_byte(self, status: int) -> None:
        """Record the status of the worker's response."""
        if self._attempt is not None:
            self._attempt.set_attribute("http.response.status_code", status)
            self._attempt.add_event("first byte")
            if status >= 400:
                mark_failed(self._attempt, str(status), ours=status >= 500)

    def on_attempt_end(self, failure: str | None) -> None:
        """End the attempt's span."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if failure:
            mark_failed(attempt, failure)
        attempt.end()

    def on_reject(self, code: str, status: int) -> None:
        """Record the error."""
        if self._span is not None:
            mark_failed(self._span, code, ours=status >= 500)

    def on_finish(self, status: int, model: str) -> None:
        """End the request's span."""
        disconnected = status == CLIENT_DISCONNECTED
        self.on_attempt_end("client_left" if disconnected else None)
        span, self._span = self._span, None
        if span is None:
            return
        if model:
            span.update_name(f"{self._operation} {model}")
            attributes: dict[str, AttributeValue] = {
                "gen_ai.request.model": model, "novacron.retries": max(0, self._attempts - 1),
            }  # fmt: skip
            span.set_attributes(attributes)
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            mark_failed(span, "client_left" if disconnected else str(status), ours=status >= 500)
        span.end()
