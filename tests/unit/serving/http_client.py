"""A client's connection to a coordinator, with bytes in and bytes out, without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import uvicorn
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.cache.levels import MemoryLevel
from novacron_serving.coordinator.cache.response_cache import CacheConfig, ResponseCache
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.protocol import http_protocol_class
from novacron_serving.coordinator.workers.upstream import Receiver
from uvicorn.server import ServerState

from .cluster import Cluster

CONTENT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


class Transport:
    """A connection whose written bytes stay here."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

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


class Client:
    """A client's connection to a coordinator."""

    def __init__(self, *worker_ids: str, cache: bool = False, **settings: Any) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(self.clock, CoordinatorConfig(**settings))
        self.scheduler = self.cluster.scheduler
        self.sent: list[Sent] = []
        """Requests to workers, in order."""
        for worker_id in worker_ids or ("a",):
            upstream: Any = Upstream(worker_id, self.sent)
            self.cluster.register(worker_id, digest="d").upstream = upstream
        if cache:
            self.scheduler.cache = ResponseCache(
                CacheConfig(), MemoryLevel(2**20, self.clock), (), self.scheduler.metrics, self.clock
            )
        self.transport = Transport()
        config = uvicorn.Config(_no_app, lifespan="off", log_config=None)
        config.load()
        self.protocol: Any = http_protocol_class(self.scheduler)(config, ServerState(), {})
        self.protocol.connection_made(self.transport)

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
