"""The protocol of the coordinator's HTTP port: one connection of a client.

It is uvicorn's protocol with two changes. On the paths that carry the traffic, a `ProxyRequest` replaces uvicorn's
request-response cycle and the ASGI application. And nothing is unbounded: `bounds` lists the limits that this module
enforces on heads, trailers, pipelined requests, unread responses and slow clients.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novacron_serving.coordinator.http.bounds import (
    BODY_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    MAX_PIPELINED_BYTES,
    UNREAD_TIMEOUT_S,
)
from novacron_serving.coordinator.http.connections import ClientConnections
from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.proxy_request import ProxyRequest
from novacron_serving.coordinator.http.request_head import check_headers, read_head
from novacron_serving.coordinator.http.response_head import error_response
from novacron_serving.errors import RequestError, invalid
from novacron_serving.protocol import contract
from novacron_serving.server import KEEP_ALIVE_S

_PROGRESS = -1
"""Value of `_overhead_bytes` if the data that is being parsed begins or ends a head, or has a part of a body."""
_LINGER_S = 2.0
"""How long a client that still sends may read the response: closing at once would reset the connection."""
_VERSIONS = ("1.1", "1.0")
_HOP_HEADERS = frozenset({b"upgrade", b"http2-settings"})


def _hot_paths() -> dict[bytes, bytes]:
    paths = contract()["paths"]
    hot: dict[bytes, bytes] = {}
    for path in (paths["chat_completions"], paths["completions"]):
        hot[path.encode()] = path.encode()
        hot[path.replace("/v1", paths["llm_prefix"], 1).encode()] = path.encode()
    return hot


HOT_PATHS = _hot_paths()
"""Paths of the public API, and the workers' path for each of them."""


def http_protocol_class(context: ProxyContext, connections: ClientConnections) -> type[HttpToolsProtocol]:
    """Return the protocol class for uvicorn's `http` setting."""

    class BoundHttpProtocol(HttpProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.context = context
            self._now = context.scheduler.clock.monotonic
            self._open_connections = connections

    return BoundHttpProtocol


class HttpProtocol(HttpToolsProtocol):
    """A client's connection."""

    context: ProxyContext
    _now: Callable[[], float]
    parser: Any
    cycle: Any
    """The cycle of the latest request: a `ProxyRequest`, or uvicorn's for the ASGI application."""
    _open_connections: ClientConnections
    _running: Any = None
    """The cycle whose response is in progress, or was until now."""
    _in_head = False
    _overhead_bytes = 0
    """Bytes of one head, or of trailers, that have taken several reads so far."""
    _waits_since_s = 0.0
    """When the client was last expected to send something."""
    _unread_since_s: float | None = None
    """Since when the client has not read what was sent."""
    _closing = False
    """Whether the connection is about to be closed, so that nothing more is parsed."""
    _continuing = False

    # connections

    def connection_made(self, transport: Any) -> None:  # noqa: D102
        super().connection_made(transport)
        self._waits_since_s = self._now()
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        del exc
        self._closing = True
        self._open_connections.remove(self)
        self.connections.discard(self)
        for cycle in {self._running, self.cycle, *(cycle for cycle, _ in self.pipeline)}:
            if isinstance(cycle, ProxyRequest):
                cycle.on_disconnect()
            elif cycle is not None:
                cycle.disconnected = cycle.disconnected or not cycle.response_complete
                cycle.message_event.set()
        self.flow.resume_writing()
        self.transport.close()
        self.parser = None

    def shutdown(self) -> None:  # noqa: D102
        if not self._is_busy():
            self.transport.close()
            return
        for cycle in (self._running, self.cycle):
            if isinstance(cycle, ProxyRequest):
                cycle.response.keep_alive = False
            else:
                cycle.keep_alive = False

    def drop(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _is_busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    @property
    def idle_since_s(self) -> float | None:
        """Since when the connection waits for a request; None: it has one."""
        return None if self._is_busy() else self._waits_since_s

    def end_overdue_wait(self, now_s: float) -> None:
        """Close the connection if the client has kept it waiting for too long."""
        if self._unread_since_s is not None:
            if now_s - self._unread_since_s > UNREAD_TIMEOUT_S:
                self.transport.abort()
            return
        waited_s = now_s - self._waits_since_s
        if self._is_busy():
            if self._running.more_body and waited_s > BODY_TIMEOUT_S:
                self._time_out(f"the body did not arrive within {BODY_TIMEOUT_S:g} s")
        elif self._in_head or self.cycle is None or self._has_incomplete_body():
            if waited_s > HEAD_TIMEOUT_S:
                self._time_out(f"the head did not arrive within {HEAD_TIMEOUT_S:g} s")
        elif waited_s > KEEP_ALIVE_S:
            self.transport.close()

    def _has_incomplete_body(self) -> bool:
        """Return whether the client still sends the body of a request that has its response."""
        return self.cycle.more_body

    def _time_out(self, message: str) -> None:
        error = RequestError(408, message, kind="invalid_request_error", code="request_timeout")
        running = self._running
        if self._is_busy() and isinstance(running, ProxyRequest):
            running.response.keep_alive = False
            running.reject(error)
        elif self._in_head and not self._is_busy():
            self._refuse(error)
        else:  # nothing was sent, or an ASGI application has the request
            self.transport.abort()

    def _refuse(self, error: RequestError) -> None:
        """Send an error for what is not a request, and close the connection."""
        self.transport.write(error_response(error, b"connection: close\r\n\r\n"))
        self._close()

    def _close(self) -> None:
        """Close the connection once the client had time to read the response. What it still sends is dropped."""
        self._closing = True
        self.loop.call_later(_LINGER_S, self.transport.close)

    # data from the client

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._closing:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            if self._is_busy():  # its response must not be mixed with an error
                self.transport.abort()
            elif not self.transport.is_closing():
                self._refuse(invalid("the request is not valid HTTP"))
            return
        if self._overhead_bytes == _PROGRESS:
            self._overhead_bytes = 0
        else:
            self._overhead_bytes += len(data)
            if self._overhead_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse a request again without its offer to upgrade, which the parser takes for the end of HTTP.

        Clients offer HTTP/2 in this way. Its body would otherwise be read as the next request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT" or self._is_busy():
            self.transport.abort()
            return
        lines = [method + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() not in _HOP_HEADERS]
                lines += [b"connection: " + b",".join(kept)] if kept else []
            elif name not in _HOP_HEADERS:
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def on_message_begin(self) -> None:  # noqa: D102
        # uvicorn's method also builds the ASGI scope: see `on_headers_complete`.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._overhead_bytes = _PROGRESS
        self._waits_since_s = self._now()

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        if not self._in_head:  # a trailer, which has no meaning here
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:  # noqa: D102
        parser = self.parser
        if parser.should_upgrade():
            return  # `data_received` gets an exception
        self._in_head, self._overhead_bytes = False, _PROGRESS
        if self._closing or self.transport.is_closing():
            return
        path = HOT_PATHS.get(self.url) or HOT_PATHS.get(self.url.partition(b"?")[0])
        try:
            if (version := parser.get_http_version()) not in _VERSIONS:
                raise RequestError(505, f"HTTP {version} is not supported; use HTTP/1.1", kind="invalid_request_error")
            if path is not None and parser.get_method() == b"POST":
                self._start_or_wait(self._make_request(path, version))
                return
            check_headers(self.headers)
        except RequestError as error:
            if self._is_busy():
                self.transport.abort()
            else:
                self._refuse(error)
            return
        self._begin_asgi()

    def _make_request(self, path: bytes, version: str) -> ProxyRequest:
        head = read_head(path, self.headers, http_1_0=version == "1.0", expects_100=self.expect_100_continue)
        keep_alive = not head.http_1_0 and not self.context.scheduler.draining and self.parser.should_keep_alive()
        return ProxyRequest(self, head, keep_alive=keep_alive)

    def _begin_asgi(self) -> None:
        """Let uvicorn make its scope and its cycle. It starts the cycle, or adds it to the pipeline."""
        url, headers, expect_100 = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect_100
        self.headers.extend(headers)
        super().on_headers_complete()

    def _start_or_wait(self, request: ProxyRequest) -> None:
        self.cycle = request
        if self._is_busy() or self.pipeline or self.flow.write_paused:
            self.pipeline.appendleft((request, self.app))  # type: ignore[arg-type]
            if len(self.pipeline) > MAX_PIPELINED:
                self.transport.abort()
        else:
            self._running = request
            request.begin()

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._overhead_bytes = _PROGRESS
        cycle = self.cycle
        if not isinstance(cycle, ProxyRequest):
            super().on_body(body)
            return
        cycle.add_body(body)
        if cycle is not self._running and self._waiting_bytes() > MAX_PIPELINED_BYTES:
            self.flow.pause_reading()

    def _waiting_bytes(self) -> int:
        """Return the size of the bodies that wait behind the request in progress."""
        return sum(len(cycle.body) for cycle, _ in self.pipeline)

    def on_message_complete(self) -> None:  # noqa: D102
        if self._in_head:  # the end of a head with an upgrade
            return
        self._overhead_bytes = _PROGRESS
        cycle = self.cycle
        if isinstance(cycle, ProxyRequest):
            cycle.end_body()
        elif cycle is not None:
            cycle.more_body = False
            cycle.message_event.set()

    # responses

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def finish_request(self, request: ProxyRequest) -> None:
        """Continue with the next request, or close the connection."""
        if not request.response.keep_alive:
            if request.more_body:
                self._close()
            else:
                self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:  # noqa: D102
        # Without uvicorn's timer for each request: `end_overdue_wait` closes idle connections.
        self.server_state.total_requests += 1
        if not self._closing and not self.transport.is_closing():
            self._waits_since_s = self._now()
            self._continue()

    def _continue(self) -> None:
        """Start the next request that was read, or read on."""
        if self._continuing:  # called by a request that has ended while it was started here
            return
        self._continuing = True
        while self.pipeline and not self._is_busy() and not self.flow.write_paused and not self._closing:
            cycle, app = self.pipeline.pop()
            self._waits_since_s = self._now()
            if isinstance(cycle, ProxyRequest):
                self._running = cycle
                cycle.begin()
            else:
                self._start_asgi_task(cycle, app)
        self._continuing = False
        if not self.pipeline and not self.flow.write_paused:
            self.flow.resume_reading()

    def run(self, look_up: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends."""
        task = self.loop.create_task(look_up)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @property
    def local_address(self) -> str | None:
        """The address that the client has connected to."""
        return self.server and self.server[0]

    def pause_writing(self) -> None:  # noqa: D102
        super().pause_writing()
        self._unread_since_s = self._now()
        if not self._is_busy():
            self.flow.pause_reading()  # the client first reads what it has got
        elif isinstance(self._running, ProxyRequest):
            self._running.pause()

    def resume_writing(self) -> None:  # noqa: D102
        super().resume_writing()
        self._unread_since_s = None
        if isinstance(self._running, ProxyRequest):
            self._running.resume()
        if not self._is_busy():
            self._waits_since_s = self._now()
            self._continue()
