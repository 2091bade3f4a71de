"""One chat or completion request, from the client's bytes to the client's bytes.

A `ProxyRequest` replaces uvicorn's request-response cycle on a connection. No task runs for it: every step is a call
from the client's connection, from the scheduler or from the worker's connection.

    WAITING ──► RECEIVING ──► LOOKING_UP ──► QUEUED ──► SENT ──► RESPONDING ──► DONE
                    │              ▲           ▲ │        │           │          ▲
                    └──────────────┴───────────┘ └────────┴───────────┴──────────┘

| State | Waits for | Leaves it for |
|---|---|---|
| WAITING | the responses before it on its connection | RECEIVING |
| RECEIVING | the rest of the body; the API key is checked before | LOOKING_UP, QUEUED or SENT |
| LOOKING_UP | Redis or the disk, for a cached response | DONE with it, else QUEUED or SENT |
| QUEUED | a worker's slot | SENT |
| SENT | the head of the worker's response | RESPONDING; QUEUED or SENT: the worker has failed |
| RESPONDING | the rest of it | DONE; QUEUED or SENT: the worker has failed before the client got a byte |
| DONE | – | – |

Every state leads to DONE as well: with an error, or because the client has left. `_finish` is the only way there, and
releases everything that the request holds, exactly once. `bounds` has the limit of every wait and buffer.

The parts: `response_writer` sends the response, `attempt` talks to one worker, `cache_use` reads and fills the response
cache, and `observers` record traces.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Any, Protocol

from novacron_serving.coordinator.http.attempt import Attempt
from novacron_serving.coordinator.http.bounds import DRAINED_BODY_BYTES, MAX_INCOMPLETE_BYTES
from novacron_serving.coordinator.http.cache_use import CacheUse, use_cache
from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.observers import CLIENT_DISCONNECTED, RequestObserver
from novacron_serving.coordinator.http.request_body import JSON_MEDIA_TYPE, parse_object, require_json
from novacron_serving.coordinator.http.request_head import RequestHead
from novacron_serving.coordinator.http.response_head import ContentKind
from novacron_serving.coordinator.http.response_writer import ResponseWriter
from novacron_serving.coordinator.limits.authentication import ANONYMOUS, Principal
from novacron_serving.coordinator.limits.usage_meter import UsageMeter
from novacron_serving.coordinator.scheduling.admission import Admission
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.errors import RequestError, body_too_large, invalid, overloaded

log = logging.getLogger(__name__)


class State(Enum):
    """Where a request is; see the module's docstring."""

    WAITING = "waiting"
    RECEIVING = "receiving"
    LOOKING_UP = "looking_up"
    QUEUED = "queued"
    SENT = "sent"
    RESPONDING = "responding"
    DONE = "done"


class ClientConnection(Protocol):
    """The client's connection."""

    transport: asyncio.Transport
    context: ProxyContext

    @property
    def local_address(self) -> str | None:
        """The address that the client has connected to."""
        ...

    def run(self, look_up: Any) -> None:
        """Run a coroutine until it ends."""
        ...

    def finish_request(self, request: ProxyRequest) -> None:
        """Continue with the next request, or close the connection."""
        ...


class ProxyRequest:
    """A request on the hot path."""

    __slots__ = (
        "_attempt", "_cache_use", "_connection", "_context", "_received_s", "admission", "body", "head", "more_body",
        "observers", "principal", "response", "state",
    )  # fmt: skip

    def __init__(self, connection: ClientConnection, head: RequestHead, *, keep_alive: bool) -> None:
        self.state = State.WAITING
        self.head = head
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.principal: Principal = ANONYMOUS
        self.admission = Admission()
        self.response = ResponseWriter(connection.transport, head.request_id, keep_alive=keep_alive)
        self.observers: tuple[RequestObserver, ...] = connection.context.observe()
        self._connection = connection
        self._context = connection.context
        self._received_s = 0.0
        """Monotonic time; 0: the body is not complete."""
        self._attempt: Attempt | None = None
        self._cache_use: CacheUse | None = None

    @property
    def response_complete(self) -> bool:
        """Whether the connection may continue with the next request."""
        return self.state is State.DONE

    @property
    def abandoned(self) -> bool:
        """Whether the request is over: it has its response, or the client has disconnected."""
        return self.state is State.DONE

    # the client's side

    def begin(self) -> None:
        """Start handling the request: the responses before it on its connection are complete."""
        self.state = State.RECEIVING
        try:
            self._check_head()
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a response
            self._reject_with(error)
            return
        if not self.more_body:
            self._handle()
        elif self.head.expects_100:
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _check_head(self) -> None:
        """Check everything that the head says, before the body is read."""
        context, head = self._context, self.head
        if head.origin is not None and context.allows_origin(head.origin):
            self.response.cors_origin = head.origin
        if context.cross_site_guard.enabled:
            hosts = () if head.host is None else (head.host,)
            context.cross_site_guard.check(hosts, head.origin, self._connection.local_address)
        self.principal = context.authenticator.authenticate(head.authorization)
        if self.principal.token_bucket is not None:
            self.response.usage = UsageMeter()
        if head.content_type != JSON_MEDIA_TYPE:
            require_json(head.content_type)
        self._check_size(max(len(self.body), head.content_length))

    def add_body(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self.state is State.DONE:
            return
        if not self.body:
            self.body = data  # most requests come in one piece
        else:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += data
        self._context.incomplete_bytes += len(data)
        if self.state is State.RECEIVING:
            try:
                self._check_size(len(self.body))
            except RequestError as error:
                self.reject(error)

    def _check_size(self, size: int) -> None:
        limit = self._context.scheduler.config.max_body_bytes
        if size > limit:
            raise body_too_large(limit)
        if self.more_body and self._context.incomplete_bytes > MAX_INCOMPLETE_BYTES:
            raise overloaded("the coordinator is receiving too many large requests; try again in a moment")

    def end_body(self) -> None:
        """Handle the end of the body."""
        self.more_body = False
        if self.state is State.DONE:
            return
        self._context.incomplete_bytes -= len(self.body)
        if self.state is State.RECEIVING:
            self._handle()

    def on_disconnect(self) -> None:
        """Handle that the client has closed the connection."""
        self._finish(CLIENT_DISCONNECTED)

    def _handle(self) -> None:
        context, head = self._context, self.head
        self._received_s = context.scheduler.clock.monotonic()
        for observer in self.observers:
            observer.on_received(head)
        try:
            content = parse_object(self.body)
            if head.http_1_0 and content.get("stream"):
                raise invalid("stream is true, but HTTP/1.0 cannot stream responses; use HTTP/1.1", param="stream")
            self.principal.consume_request()
            cache_use = self._cache_use = use_cache(context, self.principal, head, content)
            if cache_use is not None:
                response = cache_use.get_from_memory()
                if response is not None:
                    self._respond_from_cache(response)
                    return
                if cache_use.has_more_levels:
                    self.state = State.LOOKING_UP
                    self._connection.run(self._look_up(cache_use, content))
                    return
            self._admit(content)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a response
            self._reject_with(error)

    # the response cache

    async def _look_up(self, cache_use: CacheUse, content: dict[str, Any]) -> None:
        try:
            response = await cache_use.look_up()
            if self.state is State.DONE:
                return
            if response is not None:
                self._respond_from_cache(response)
            else:
                self._admit(content)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a response
            self._reject_with(error)

    def _respond_from_cache(self, response: bytes) -> None:
        for observer in self.observers:
            observer.on_cache_hit()
        self.response.write_cached(response)
        self._finish(200)

    # the scheduler's side

    def _admit(self, content: dict[str, Any]) -> None:
        self.state = State.QUEUED
        self._context.scheduler.admit(self, content, self.head.session)

    def dispatch(self, worker: Worker) -> None:
        """Send the request to a worker."""
        self.state = State.SENT
        self._attempt = Attempt(self, self._context, worker)
        self._attempt.start()

    def lose_worker(self, reason: str) -> None:
        """Give up a worker that is silent."""
        if self.state in (State.SENT, State.RESPONDING) and self._attempt is not None:
            self._attempt.abort()
            for observer in self.observers:
                observer.on_attempt_end("silent")
            self.on_attempt_failed(reason)

    # the worker's side

    def on_response_begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Handle the head of a response that the client gets."""
        self.state = State.RESPONDING
        head = self.response.begin(status, headers)
        for observer in self.observers:
            observer.on_first_byte(status)
        if head.content_kind is ContentKind.EVENT_STREAM:  # other responses begin with their last token
            scheduler = self._context.scheduler
            scheduler.metrics.first_token.observe(scheduler.clock.monotonic() - self._received_s)
        if status == 200 and self._cache_use is not None:
            self.response.recorder = self._cache_use.record(head)

    def on_attempt_complete(self, error: RequestError | None) -> None:
        """Handle the end of the worker's response."""
        self._attempt = None
        if error is not None:
            self._retry_or_reject(error)
            return
        response = self.response
        response.complete()
        if response.recorder is not None and self._cache_use is not None:
            self._cache_use.store(response.recorder)
        self._finish(response.status)

    def on_attempt_failed(self, reason: str) -> None:
        """Handle that there is no connection to the worker, or that it was lost."""
        self._attempt = None
        if self.response.started:
            self.response.break_off()
            self._finish(503)
            return
        self.response.forget_head()
        self._retry_or_reject(overloaded(f"the worker failed before it responded ({reason}); try again in a moment"))

    def _retry_or_reject(self, error: RequestError) -> None:
        self.state = State.QUEUED
        scheduler = self._context.scheduler
        scheduler.release_slots(self)
        if not scheduler.retry(self):
            self.reject(error)

    # flow control

    def pause(self) -> None:
        """Stop reading from the worker, because the client does not read."""
        self.admission.paused = True
        if self._attempt is not None:
            self._attempt.pause()

    def resume(self) -> None:
        """Read from the worker again."""
        if not self.admission.paused:
            return
        self.admission.paused = False
        if self._attempt is not None:
            self._attempt.resume()

    # the end

    def reject(self, error: RequestError) -> None:
        """Respond with an error."""
        if self.state is State.DONE:
            return
        if self.more_body and (self.head.chunked or self.head.content_length > DRAINED_BODY_BYTES):
            self.response.keep_alive = False  # the rest of the body is not read
        for observer in self.observers:
            observer.on_reject(error.code or str(error.status), error.status)
        self.response.write_error(error)
        self._finish(error.status)

    def _reject_with(self, error: Exception) -> None:
        if not isinstance(error, RequestError):
            log.error("request %s failed", self.head.request_id.decode("latin-1"), exc_info=error)
            error = RequestError(500, "the coordinator failed to handle this request", kind="server_error")
        self.reject(error)

    def _finish(self, status: int) -> None:
        if self.state is State.DONE:
            return
        self.state = State.DONE
        admission, response, scheduler = self.admission, self.response, self._context.scheduler
        if self.more_body:
            self._context.incomplete_bytes -= len(self.body)
        if response.usage is not None and (response.status or (status == CLIENT_DISCONNECTED and admission.tried)):
            self.principal.consume_tokens(response.usage.tokens(self.body))
        self.body = b""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abort()
        scheduler.release(self)
        scheduler.release_slots(self)
        metrics = scheduler.metrics
        metrics.count_response(status)
        if self._received_s:
            metrics.duration.observe(scheduler.clock.monotonic() - self._received_s)
        for observer in self.observers:
            observer.on_finish(status, admission.model)
        self._connection.finish_request(self)
