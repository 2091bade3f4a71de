"""One attempt at a worker: it sends the request, and passes the worker's response on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.observers import RequestObserver
from novacron_serving.coordinator.http.request_head import RequestHead
from novacron_serving.coordinator.http.response_writer import ResponseWriter
from novacron_serving.coordinator.scheduling.admission import PendingRequest
from novacron_serving.coordinator.workers.upstream import UpstreamConnection
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.errors import RequestError
from novacron_serving.protocol import USAGE_HEADER

_REPORT_USAGE = f"{USAGE_HEADER}: report\r\n".encode()
_BACKPRESSURE = (429, 503)


class AttemptedRequest(PendingRequest, Protocol):
    """The request that is attempted."""

    head: RequestHead
    response: ResponseWriter
    observers: tuple[RequestObserver, ...]

    def on_response_begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Handle the head of a response that the client gets."""
        ...

    def on_attempt_complete(self, error: RequestError | None) -> None:
        """Handle the end of the worker's response. With an error, another worker may still respond."""
        ...

    def on_attempt_failed(self, reason: str) -> None:
        """Handle that there is no connection to the worker, or that it was lost."""
        ...


class Attempt:
    """The attempt, or both steps of it if prefill and decode run on different workers. It implements `Receiver`."""

    __slots__ = ("_admission", "_connection", "_context", "_error", "_now", "_over", "_request", "_worker", "_write")

    def __init__(self, request: AttemptedRequest, context: ProxyContext, worker: Worker) -> None:
        self._request = request
        self._admission = request.admission
        self._context = context
        self._worker = worker
        self._now = context.scheduler.clock.monotonic
        self._connection: UpstreamConnection | None = None
        self._error: RequestError | None = None
        self._write: Callable[[bytes], None] | None = None
        self._over = False

    def start(self) -> None:
        """Send the request."""
        self._send(new_connection=False)

    def abort(self) -> None:
        """Stop. The worker notices that the connection is closed, and stops generating."""
        self._over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def pause(self) -> None:
        """Stop reading from the worker, because the client does not read."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read from the worker again."""
        self._admission.last_data_s = self._now()
        if self._connection is not None:
            self._connection.resume()

    def _send(self, *, new_connection: bool) -> None:
        request, worker = self._request, self._worker
        for observer in request.observers:
            observer.on_send(request.head, worker, self._admission.model, self._admission.attempts)
        lines = b"x-request-id: " + request.head.request_id + b"\r\n" + request.head.trace_context
        if request.principal.token_bucket is not None:
            lines += _REPORT_USAGE
        body, receiver = request.body, self
        if self._admission.disaggregated is not None:
            lines, body, receiver = self._admission.disaggregated.prepare(lines, body, self)
        data = worker.upstream.request(request.head.path, body, lines)
        self._use(worker.upstream.send(data, receiver, new_connection=new_connection))

    def _use(self, connection: UpstreamConnection | None) -> None:
        self._connection = connection
        if connection is not None and self._admission.paused:
            self.pause()

    # the worker's response

    def on_prefill_complete(self) -> None:
        """Send the request to the decode worker."""
        self._end(None)
        self._worker = self._context.scheduler.start_decode(self._request)
        self._send(new_connection=False)

    def on_connect(self, connection: UpstreamConnection) -> bool:
        """Use a new connection to the worker; return False when the client has disconnected."""
        if self._over:
            return False
        for observer in self._request.observers:
            observer.on_connect()
        self._use(connection)
        return True

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Handle the head of the worker's response."""
        scheduler = self._context.scheduler
        scheduler.on_first_byte(self._request)
        self._admission.last_data_s = self._now()
        if status not in _BACKPRESSURE and status < 500:
            self._worker.record_success()
            self._request.on_response_begin(status, headers)
            self._write = self._request.response.write
            return
        # The client has received nothing yet: another worker can still respond.
        for observer in self._request.observers:
            observer.on_first_byte(status)
        if status in _BACKPRESSURE:
            message, code = "the workers have no capacity for this request; try again in a moment", "overloaded"
        else:
            scheduler.record_failure(self._worker, eject=False)
            message, code = f"the worker responded with status {status}", None
        self._error = RequestError(status, message, kind="server_error", code=code)

    def on_data(self, data: bytes) -> None:
        """Pass bytes of the worker's response to the client."""
        self._admission.last_data_s = self._now()
        if self._write is not None:
            self._write(data)

    def on_complete(self) -> None:
        """Handle the end of the worker's response."""
        self._connection = None
        self._end(None)
        self._request.on_attempt_complete(self._error)

    def on_error(self, reason: str, *, reused: bool) -> None:
        """Handle that there is no connection to the worker, or that it was lost."""
        self._connection = None
        if self._over:
            return
        self._end("connection_lost")
        if reused:  # the worker had closed the idle connection
            self._send(new_connection=True)
            return
        self._context.scheduler.record_failure(self._worker, eject=True)
        self._request.on_attempt_failed(reason)

    def _end(self, failure: str | None) -> None:
        for observer in self._request.observers:
            observer.on_attempt_end(failure)
