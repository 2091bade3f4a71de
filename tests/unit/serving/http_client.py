"""A client's connection to a coordinator, with bytes in and bytes out, without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import orjson
import uvicorn
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.cache.levels import MemoryLevel
from novacron_serving.coordinator.cache.response_cache import CacheConfig, ResponseCache
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.connections import ClientConnections
from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.http.protocol import http_protocol_class
from novacron_serving.coordinator.limits.authentication import Authenticator, Principal
from novacron_serving.coordinator.workers.upstream import Receiver
from uvicorn.server import ServerState

from .cluster import Cluster

CONTENT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


class Transport:
    """A connection whose written bytes stay here."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = self.aborted = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": ("127.0.0.1", 8080), "peername": ("127.0.0.1", 50000)}.get(name)


class Sent(NamedTuple):
    """A request to a worker."""

    worker_id: str
    receiver: Receiver
    new_connection: bool

    def respond(self, status: int = 200, body: bytes = b"{}", *, media_type: bytes = b"application/json") -> None:
        """Let the worker send a whole response."""
        self.receiver.on_headers(status, [(b"content-type", media_type), (b"content-length", b"%d" % len(body))])
        self.receiver.on_data(body)
        self.receiver.on_complete()


class FakeConnection:
    """A connection to a worker."""

    def __init__(self) -> None:
        self.paused = self.aborted = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.aborted = True


class Upstream:
    """Takes the place of the connections to a worker."""

    def __init__(self, worker_id: str, sent: list[Sent]) -> None:
        self.worker_id = worker_id
        self.sent = sent

    def request(self, path: bytes, body: bytes, lines: bytes) -> bytes:
        return path + lines + body

    def send(self, request: bytes, receiver: Receiver, *, new_connection: bool) -> None:  # noqa: ARG002
        self.sent.append(Sent(self.worker_id, receiver, new_connection))

    def close_idle(self) -> None: ...
    def close(self) -> None: ...


class Client:
    """A client's connection to a coordinator."""

    def __init__(self, *worker_ids: str, cache: bool = False, max_connections: int = 100, **settings: Any) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(self.clock, CoordinatorConfig(**settings))
        self.scheduler = self.cluster.scheduler
        self.sent: list[Sent] = []
        """Requests to workers, in order."""
        for worker_id in worker_ids or ("a",):
            upstream: Any = Upstream(worker_id, self.sent)
            self.cluster.register(worker_id, digest="d").upstream = upstream
        metrics = self.scheduler.metrics
        memory = MemoryLevel(2**20, self.clock)
        authenticator = Authenticator((), needs_key=False, clock=self.clock)
        guard = CrossSiteGuard(host="127.0.0.1", allowed_hosts=(), cors_origins=(), needs_key=False)
        self.context = ProxyContext(
            self.scheduler, authenticator, guard, tuple,
            ResponseCache(CacheConfig(), memory, (), metrics, self.clock) if cache else None,
        )  # fmt: skip
        config = uvicorn.Config(_no_app, lifespan="off", log_config=None)
        config.load()
        self.connections = ClientConnections(max_connections)
        self._make_protocol = partial(http_protocol_class(self.context, self.connections), config, ServerState(), {})
        self._connect()

    def _connect(self) -> None:
        self.transport = Transport()
        self.protocol: Any = self._make_protocol()
        self.protocol.connection_made(self.transport)

    def another(self) -> Client:
        """Open one more connection to the same coordinator."""
        client = copy(self)
        client._connect()
        return client

    def is_closing(self) -> bool:
        """Whether the connection is closed, or will be once the client had time to read the response."""
        return self.transport.closed or self.protocol._closing

    def connection(self) -> FakeConnection:
        """Return a connection to a worker."""
        return FakeConnection()

    def authenticate_as(self, principal: Principal) -> None:
        """Let every request have this principal."""
        self.context.authenticator.authenticate = lambda _: principal

    def after(self, seconds: float, *reporting: str) -> None:
        """Let time pass, in which these workers report."""
        self.clock.advance(seconds)
        for worker in self.cluster.workers.all():
            if worker.worker_id in reporting:
                worker.record_report(self.clock.monotonic(), 0)
        self.scheduler.tick()
        self.connections.tick(self.clock.monotonic())

    def post(self, content: Any = CONTENT, *headers: str) -> None:
        self.protocol.data_received(post(content, *headers))

    def status(self) -> int:
        return int(self.transport.written.split(b" ")[1])

    def body(self) -> Any:
        return json.loads(self.transport.written.partition(b"\r\n\r\n")[2])

    def respond(self, body: bytes = b"{}", *, streamed: bool = False) -> None:
        """Let the worker respond to the last request."""
        self.sent[-1].respond(body=body, media_type=b"text/event-stream" if streamed else b"application/json")


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a request on the hot path reached the ASGI application")


def post(content: Any = CONTENT, *headers: str, path: str = "/v1/chat/completions") -> bytes:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    lines = [f"POST {path} HTTP/1.1", "host: localhost:8080", "content-type: application/json",
             f"content-length: {len(body)}", *headers]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def on_loop(test: Callable[[], None]) -> None:
    """Run a test on an event loop, which protocols need."""

    async def run() -> None:
        test()

    asyncio.run(run())
