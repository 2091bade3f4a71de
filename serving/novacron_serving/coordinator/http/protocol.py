"""The protocol of the coordinator's HTTP port.

It is uvicorn's protocol with one change: on the paths that carry the traffic, a `ProxyRequest` replaces uvicorn's
request-response cycle and the ASGI application. Connections, pipelining, keep-alive and shutdown stay uvicorn's.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novacron_serving.coordinator.http.proxy_request import ProxyRequest
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.protocol import contract
from novacron_serving.tracing import Tracing


def _hot_paths() -> dict[bytes, bytes]:
    paths = contract()["paths"]
    hot: dict[bytes, bytes] = {}
    for path in (paths["chat_completions"], paths["completions"]):
        hot[path.encode()] = path.encode()
        hot[path.replace("/v1", paths["llm_prefix"], 1).encode()] = path.encode()
    return hot


HOT_PATHS = _hot_paths()
"""Paths of the public API, and the workers' path for each of them."""
MAX_HEAD_BYTES = 2**17
"""Limit for a head that takes several reads. The parser itself has no limit."""


def http_protocol_class(scheduler: Scheduler, tracing: Tracing | None = None) -> type[HttpToolsProtocol]:
    """Return the protocol class for uvicorn's `http` setting."""
    request_class = ProxyRequest
    if tracing is not None:
        from novacron_serving.coordinator.http.instrumentation import instrumented  # needs optional packages

        request_class = instrumented(tracing)

    class BoundHttpProtocol(HttpProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.scheduler = scheduler
            self._request_class = request_class

    return BoundHttpProtocol


class HttpProtocol(HttpToolsProtocol):
    """A client's connection."""

    scheduler: Scheduler
    http_1_0 = False
    _request_class: type[ProxyRequest] = ProxyRequest
    _running: ProxyRequest | None = None
    _in_head = False
    _only_head = False
    """Whether the data that is being parsed has only contained bytes of one head so far."""
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._only_head = self._in_head
        super().data_received(data)
        if self._only_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:  # noqa: D102
        # uvicorn's method also builds the ASGI scope: see `on_headers_complete`.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:  # noqa: D102
        self._in_head = self._only_head = False
        parser = self.parser
        assert parser is not None  # noqa: S101 - it is the caller
        path = HOT_PATHS.get(self.url) or HOT_PATHS.get(self.url.partition(b"?")[0])
        if path is None or parser.get_method() != b"POST":
            url, headers, expect_100 = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expect_100
            self.headers.extend(headers)
            super().on_headers_complete()
            return
        self.http_1_0 = parser.get_http_version() == "1.0"
        request = self._request_class(
            self,
            path,
            self.headers,
            keep_alive=not self.http_1_0 and not self.scheduler.draining and parser.should_keep_alive(),
            expects_100=self.expect_100_continue,
        )
        before: Any = self.cycle
        self.cycle = request  # type: ignore[assignment]
        if before is None or before.response_complete:
            self._running = request
            request.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((request, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:  # noqa: D102
        cycle: Any = self.cycle
        if isinstance(cycle, ProxyRequest):
            cycle.add_body(body)
        else:
            super().on_body(body)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, ProxyRequest):
            self._running = cycle
            cycle.begin()
        else:
            super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        running, self._running = self._running, None
        latest: Any = self.cycle
        if running is not None and running is not latest:  # other requests wait behind it
            running.disconnected = True
            running.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:  # noqa: D102
        super().pause_writing()
        if self._running is not None:
            self._running.pause()

    def resume_writing(self) -> None:  # noqa: D102
        super().resume_writing()
        if self._running is not None:
            self._running.resume()
