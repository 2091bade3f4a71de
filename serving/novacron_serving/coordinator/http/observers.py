"""Observation of requests on the hot path, for traces. Observers change nothing but the trace context.

Metrics need no observer: `ProxyRequest` always records them.
"""

from __future__ import annotations

from novacron_serving.coordinator.http.request_head import RequestHead
from novacron_serving.coordinator.workers.workers import Worker

CLIENT_DISCONNECTED = 499
"""Status of a request whose client left before the response was complete."""


class RequestObserver:
    """The events in the life of one request. An observer overrides those that concern it."""

    def on_received(self, head: RequestHead) -> None:
        """Handle that the request has arrived completely. The observer may replace `head.trace_context`."""

    def on_cache_hit(self) -> None:
        """Handle that the response cache has the response."""

    def on_send(self, head: RequestHead, worker: Worker, model: str, attempt: int) -> None:
        """Handle that the request is sent to a worker. The observer may replace `head.trace_context`.

        Args:
            head: the request's head.
            worker: the worker.
            model: the model.
            attempt: 1 for the first attempt. Prefill and decode are one attempt, and so is a second connection.
        """

    def on_connect(self) -> None:
        """Handle that a new connection to the worker was opened."""

    def on_first_byte(self, status: int) -> None:
        """Handle the head of the worker's response."""

    def on_attempt_end(self, failure: str | None) -> None:
        """Handle that the worker's response is complete, or why it is not."""

    def on_reject(self, code: str, status: int) -> None:
        """Handle that the client gets an error of the coordinator."""

    def on_finish(self, status: int, model: str) -> None:
        """Handle the end of the request. Called once."""
