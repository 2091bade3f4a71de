"""The protocol of the coordinator's HTTP port: chat and completions on the shortest way, everything else to ASGI.

It is uvicorn's protocol with another cycle (`Exchange`) for the few paths that carry the traffic; connections,
pipelining, keep-alive and shutdown stay uvicorn's.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novacron_serving.coordinator.exchange import Exchange
from novacron_serving.coordinator.gate import Gate
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
"""What clients ask for, and what workers are asked for it."""
LARGEST_HEAD_BYTES = 2**17
"""Of a request whose head is still not complete; the parser itself has no bound."""


def front(gate: Gate, tracing: Tracing | None = None) -> type[HttpToolsProtocol]:
    """The protocol class, for uvicorn's `http` setting."""
    exchange = Exchange
    if tracing is not None:
        from novacron_serving.coordinator.traced import traced  # needs packages that may be missing

        exchange = traced(tracing)

    class BoundFront(Front):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.gate = gate
            self._exchange = exchange

    return BoundFront


class Front(HttpToolsProtocol):
    """A client's connection."""

    gate: Gate
    http_1_0 = False
    _exchange: type[Exchange] = Exchange
    _running: Exchange | None = None
    _in_head = False
    _head_bytes = 0
    """Received while a head is not complete."""

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:  # noqa: D102
        # uvicorn's own begins with the scope, which only ASGI needs: see `on_headers_complete`.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True

    def on_headers_complete(self) -> None:  # noqa: D102
        self._in_head, self._head_bytes = False, 0
        parser = self.parser
        assert parser is not None  # noqa: S101 - it is calling
        path = HOT_PATHS.get(self.url) or HOT_PATHS.get(self.url.partition(b"?")[0])
        if path is None or parser.get_method() != b"POST":
            url, headers, expect_100 = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expect_100
            self.headers.extend(headers)
            super().on_headers_complete()
            return
        self.http_1_0 = parser.get_http_version() == "1.0"
        exchange = self._exchange(
            self,
            path,
            self.headers,
            keep_alive=not self.http_1_0 and not self.gate.draining and parser.should_keep_alive(),
            expects_100=self.expect_100_continue,
        )
        before: Any = self.cycle
        self.cycle = exchange  # type: ignore[assignment]
        if before is None or before.response_complete:
            self._running = exchange
            exchange.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:  # noqa: D102
        cycle: Any = self.cycle
        if isinstance(cycle, Exchange):
            cycle.more(body)
        else:
            super().on_body(body)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Exchange):
            self._running = cycle
            cycle.begin()
        else:
            super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        running, self._running = self._running, None
        latest: Any = self.cycle
        if running is not None and running is not latest:  # others wait behind it
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
