"""One chat or completion request, from the client's bytes to the client's bytes.

A `ProxyRequest` replaces uvicorn's request-response cycle on a connection: uvicorn's protocol fills `body` and
`more_body`, calls `message_event.set()` when there is more or the client has disconnected, and continues with the next
request when `response_complete` is true. No task runs for it.

`_finish` is the only way out: it releases everything that the request holds, exactly once.
"""

from __future__ import annotations

import itertools
import json
import logging
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from novacron_serving.coordinator.cache.response_cache import ResponseRecorder
from novacron_serving.coordinator.http.request_body import JSON_MEDIA_TYPE, require_json
from novacron_serving.coordinator.http.response_head import ContentKind, error_response, pass_head
from novacron_serving.coordinator.limits.authentication import ANONYMOUS, Principal
from novacron_serving.coordinator.limits.usage_meter import UsageMeter
from novacron_serving.coordinator.workers.upstream import Receiver, UpstreamConnection
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.errors import RequestError, body_too_large, invalid, overloaded
from novacron_serving.protocol import USAGE_HEADER

if TYPE_CHECKING:
    from novacron_serving.coordinator.cache.response_cache import ResponseCache
    from novacron_serving.coordinator.http.protocol import HttpProtocol
    from novacron_serving.coordinator.scheduling.disaggregated import Disaggregated

REQUEST_ID, SESSION = b"x-request-id", b"x-session-id"
_PASSED_TO_WORKER = frozenset({b"traceparent", b"tracestate"})
_REPORT_USAGE = f"{USAGE_HEADER}: report\r\n".encode()
_LINGER_S = 2.0
_END_OF_EVENT = b"\n\n\r\n"
"""The end of an event and of the chunk that contains it."""
_BACKPRESSURE = (429, 503)
_CLIENT_DISCONNECTED = 499
_ids = map("{}-{:x}".format, itertools.repeat(token_hex(6)), itertools.count(1))

log = logging.getLogger(__name__)


class ProxyRequest:
    """A request on the hot path."""

    def __init__(
        self,
        protocol: HttpProtocol,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        keep_alive: bool,
        expects_100: bool,
    ) -> None:
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive = keep_alive
        self.principal: Principal = ANONYMOUS
        self.model = ""
        self.prefix: tuple[int, ...] = ()
        self.tried: set[str] = set()
        self.queued_at_s = self.first_byte_deadline_s = 0.0
        self.disaggregated: Disaggregated | None = None
        self._protocol = protocol
        self._scheduler = protocol.scheduler
        self._path = path
        self._headers = headers
        self._expects_100 = expects_100
        self._begun = False
        self._done = False
        self._started_s = 0.0
        self._worker: Worker | None = None
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._response_head = b""
        self._chunked = False
        self._worker_error: RequestError | None = None
        self._request_id = self._origin = self._last_data = b""
        self._usage: UsageMeter | None = None
        self._cache_key: bytes | None = None
        self._recorder: ResponseRecorder | None = None

    # the client's side

    @property
    def message_event(self) -> ProxyRequest:
        """The object whose `set` uvicorn's protocol calls."""
        return self

    def set(self) -> None:
        """Handle that there is more of the body, or that the client has disconnected."""
        if self.disconnected:
            self._finish(_CLIENT_DISCONNECTED)
        elif self._begun and not self.more_body:
            self._handle()

    def begin(self) -> None:
        """Start handling the request: the responses before it on its connection are complete."""
        self._begun = True
        self._check_size(max(len(self.body), self._content_length()))
        if self._expects_100 and self.more_body and not self._done:
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.more_body:
            self._handle()

    def add_body(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self._done:
            return
        if not self.body:
            self.body = data  # most requests come in one piece
        else:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += data
        if self._begun:
            self._check_size(len(self.body))

    def _check_size(self, size: int) -> None:
        limit = self._scheduler.config.max_body_bytes
        if size > limit:
            self.keep_alive = False  # the rest of the body is not read
            self.reject(body_too_large(limit))

    def _content_length(self) -> int:
        for name, value in self._headers:
            if name == b"content-length":
                return int(value)  # the parser accepts numbers only
        return 0

    @property
    def abandoned(self) -> bool:
        """Whether the request is over: it has its response, or the client has disconnected."""
        return self._done

    def _handle(self) -> None:
        if self._done or self._started_s:
            return
        scheduler = self._scheduler
        self._started_s = scheduler.clock.monotonic()
        authorization = session = origin = None
        content_type = b""
        for name, value in self._headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                content_type = value
            elif name == SESSION:
                session = value
            elif name == b"origin":
                origin = value
                if scheduler.allows_origin(value):
                    self._origin = value
            elif name == REQUEST_ID and len(value) <= 128 and value.isascii():
                self._request_id = value
        if not self._request_id:
            self._request_id = next(_ids).encode()
        try:
            if scheduler.cross_site_guard.enabled:
                self._check_source(origin)
            self.principal = scheduler.authenticator.authenticate(authorization)
            self._usage = None if self.principal.token_bucket is None else UsageMeter()
            if content_type != JSON_MEDIA_TYPE:
                require_json(content_type)
            content = scheduler.parse(self.body)
            if self._protocol.http_1_0 and content.get("stream"):
                raise invalid("stream is true, but HTTP/1.0 cannot stream responses; use HTTP/1.1", param="stream")
            self.principal.consume_request()
            self._cache_key = scheduler.cache_key(self.principal, self._path, content)
            if self._cache_key is not None and self._from_cache(self._cache_key, content, session):
                return
            scheduler.admit(self, content, session)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a response
            self._reject_with(error)

    def _check_source(self, origin: bytes | None) -> None:
        hosts = [value for name, value in self._headers if name == b"host"]
        server = self._protocol.server
        self._scheduler.cross_site_guard.check(hosts, origin, server and server[0])

    def _from_cache(self, key: bytes, content: dict[str, Any], session: bytes | None) -> bool:
        """Return whether the response cache has responded, or is still looking for the response."""
        cache = self._scheduler.cache
        assert cache is not None  # noqa: S101 - it made the key
        response = cache.get_from_memory(key)
        if response is not None:
            self._respond_from_cache(response)
            return True
        if not cache.has_more_levels:
            return False
        lookup = self._protocol.loop.create_task(self._look_up(cache, key, content, session))
        self._protocol.tasks.add(lookup)
        lookup.add_done_callback(self._protocol.tasks.discard)
        return True

    async def _look_up(self, cache: ResponseCache, key: bytes, content: dict[str, Any], session: bytes | None) -> None:
        try:
            response = await cache.get_from_levels(key)
            if self._done:
                return
            if response is not None:
                self._respond_from_cache(response)
            else:
                self._scheduler.admit(self, content, session)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a response
            self._reject_with(error)

    def _respond_from_cache(self, response: bytes) -> None:
        """Send a cached response: its head, the lines that belong to this request, its body."""
        head, _, body = response.partition(b"\r\n\r\n")
        lines = head + b"\r\n" + self._end_of_head(b"x-novacron-cache: hit\r\n")
        self._protocol.transport.write(lines + body)
        self._finish(200)

    def _end_of_head(self, lines: bytes = b"") -> bytes:
        """Return the end of a response's head: these lines, and those that belong to this request."""
        close = b"" if self.keep_alive else b"connection: close\r\n"
        if self._origin:
            lines += b"access-control-allow-origin: " + self._origin + b"\r\nvary: origin\r\n"
        if self._request_id:
            lines += b"x-request-id: " + self._request_id + b"\r\n"
        return lines + close + b"\r\n"

    # the worker's side

    def dispatch(self, worker: Worker) -> None:
        """Send the request to a worker."""
        self._worker = worker
        self._worker_error = None
        self._send(worker, new_connection=False)

    def _send(self, worker: Worker, *, new_connection: bool) -> None:
        lines = b"x-request-id: " + self._request_id + b"\r\n"
        if self.principal.token_bucket is not None:
            lines += _REPORT_USAGE
        for name, value in self._headers:
            if name in _PASSED_TO_WORKER:
                lines += name + b": " + value + b"\r\n"
        upstream, body = worker.upstream, self.body
        receiver: Receiver = self
        if self.disaggregated is not None:
            lines, body, receiver = self.disaggregated.prepare(lines, body)
        request = upstream.request(self._path, body, lines)
        self._connection = upstream.send(request, receiver, new_connection=new_connection)

    def on_prefill_complete(self) -> None:
        """Send the request to the decode worker."""
        prefill_worker = self._worker
        assert prefill_worker is not None  # noqa: S101 - it has responded
        self._worker = self._scheduler.start_decode(self, prefill_worker)
        self._send(self._worker, new_connection=False)

    def on_connect(self, connection: UpstreamConnection) -> bool:
        """Use a new connection to the worker; return False when the client has disconnected."""
        if self._done:
            return False
        self._connection = connection
        return True

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Handle the head of the worker's response."""
        scheduler, worker = self._scheduler, self._worker
        assert worker is not None  # noqa: S101 - it has responded
        scheduler.on_first_byte(self)
        if status in _BACKPRESSURE or status >= 500:
            if status not in _BACKPRESSURE:
                scheduler.record_failure(worker, eject=False)
            # The client has received nothing yet: another worker can still respond.
            self._worker_error = RequestError(
                status,
                "the workers have no capacity for this request; try again in a moment"
                if status in _BACKPRESSURE
                else f"the worker responded with status {status}",
                kind="server_error",
                code="overloaded" if status in _BACKPRESSURE else None,
            )
            return
        worker.record_success()
        self._status = status
        head = pass_head(status, headers)
        if head.content_kind is ContentKind.EVENT_STREAM:  # other responses begin with their last token
            scheduler.metrics.first_token.observe(scheduler.clock.monotonic() - self._started_s)
        self._chunked = head.chunked
        if not head.framed:  # the response ends with the connection
            self.keep_alive = False
        elif status == 200 and self._cache_key is not None and scheduler.cache is not None:
            self._recorder = ResponseRecorder(head, max_bytes=scheduler.cache.max_response_bytes)
        self._response_head = head.lines + self._end_of_head()

    def on_data(self, data: bytes) -> None:
        """Pass bytes of the worker's response to the client."""
        if self._worker_error is not None:
            return
        if self._recorder is not None:
            self._recorder.add(data)
        if self._usage is not None:
            self._usage.add(data)
        if self._response_head:
            data, self._response_head = self._response_head + data, b""
        self._last_data = data
        self._protocol.transport.write(data)

    def on_complete(self) -> None:
        """Handle the end of the worker's response."""
        self._connection = None
        if self._worker_error is not None:
            self._retry_or_reject(self._worker_error)
            return
        if self._response_head:  # a response without a body
            self._protocol.transport.write(self._response_head)
        cache = self._scheduler.cache
        if self._recorder is not None and self._cache_key is not None and cache is not None:
            cache.put_recorded(self._cache_key, self._recorder)
        self._finish(self._status)

    def on_error(self, reason: str, *, reused: bool) -> None:
        """Handle that there is no connection to the worker, or that it was lost."""
        self._connection = None
        if self._done:
            return
        worker = self._worker
        assert worker is not None  # noqa: S101 - the request was sent to it
        if reused:  # the worker had closed the idle connection
            self._send(worker, new_connection=True)
            return
        self._scheduler.record_failure(worker, eject=True)
        if not self._status:
            self._retry_or_reject(
                overloaded(f"the worker failed before it responded ({reason}); try again in a moment")
            )
            return
        # The client has received a part of the response and must notice that the rest is missing.
        self.keep_alive = False
        if self._chunked and self._last_data.endswith(_END_OF_EVENT):  # one more chunk fits in here
            event = b"data: " + json.dumps(overloaded("the worker failed during the response").body()).encode()
            self.on_data(b"%x\r\n%b\n\n\r\n0\r\n\r\n" % (len(event) + 2, event))
        self._finish(503)

    def _retry_or_reject(self, error: RequestError) -> None:
        worker, self._worker = self._worker, None
        scheduler = self._scheduler
        if worker is not None:
            scheduler.release_slots(self, worker)
        if not scheduler.retry(self):
            self.reject(error)

    # the end

    def reject(self, error: RequestError) -> None:
        """Respond with an error."""
        if self._done:
            return
        self._protocol.transport.write(error_response(error, self._end_of_head()))
        self._finish(error.status)

    def _reject_with(self, error: Exception) -> None:
        if not isinstance(error, RequestError):
            log.error("request %s failed", self._request_id.decode("latin-1"), exc_info=error)
            error = RequestError(500, "the coordinator failed to handle this request", kind="server_error")
        self.reject(error)

    def _finish(self, status: int) -> None:
        if self._done:
            return
        self._done = self.response_complete = True
        if self._usage is not None and (self._status or (status == _CLIENT_DISCONNECTED and self.tried)):
            self.principal.consume_tokens(self._usage.tokens(self.body))
        protocol, scheduler, worker = self._protocol, self._scheduler, self._worker
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        scheduler.release(self)
        if worker is not None:
            scheduler.release_slots(self, worker)
        scheduler.metrics.count_response(status)
        if self._started_s:
            scheduler.metrics.duration.observe(scheduler.clock.monotonic() - self._started_s)
        if not self.keep_alive:
            if self.more_body:  # closing at once would reset a client that still sends, and lose the response
                protocol.loop.call_later(_LINGER_S, protocol.transport.close)
            else:
                protocol.transport.close()
        protocol.on_response_complete()

    # flow control

    def pause(self) -> None:
        """Stop reading from the worker, because the client reads slowly."""
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read from the worker again."""
        if self._connection is not None:
            self._connection.transport.resume_reading()
