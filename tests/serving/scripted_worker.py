"""A worker that follows a script in the request: `python -m … ID PORT COORDINATOR[,COORDINATOR…] [SLOTS]`.

It registers like a real worker, and serves every model it is assigned, except one in the store `file:///broken`. On
SIGTERM it drains and exits.

The script is the last message, in JSON, by worker id; `*` is for all others. `{"*": {"chunks": 3}}` sends three tokens.

status    respond with this status and an error
chunks    number of tokens (4)
text      text of each token (the worker's id)
every_s   seconds between tokens (0)
die       kill the process. "before": without a response; "middle": after two chunks; "torn": within the third chunk
hang      never respond
whole     respond completely, even if only the prefill was requested

Environment variables: `ROLE` is the worker's role; a prefill worker's KV transfer is "read by <its id>" and a byte that
is not UTF-8. `ADAPTERS` are names separated by spaces. `CLUSTER_TLS` is that part of a worker's configuration, as JSON.
`ADVERTISED_PORT` is registered instead of the port.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httptools
import uvloop
from novacron_serving.cluster_tls import ClusterTls, ClusterTlsConfig
from novacron_serving.engines import EngineStats
from novacron_serving.errors import StartError
from novacron_serving.protocol import PerformanceProfile, WorkerRole
from novacron_serving.worker.assignments import AssignmentFollower
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.registration import Registration
from novacron_serving.worker.served import ServedModel

MODEL = "scripted"


class Connection(asyncio.Protocol):
    worker: Scripted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)
        self.task: asyncio.Task[None] | None = None
        self.worker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.worker.connections.discard(self)
        if self.task is not None and not self.task.done():
            self.worker.aborted += 1
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body, self.url, self.headers = b"", b"", {}

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.url == b"/seen":
            self.whole(200, {"requests": self.worker.requests, "aborted": self.worker.aborted})
            return
        transfer_bytes = int(self.headers.get("x-novacron-kv-transfer", 0))
        self.worker.requests.append({
            "path": self.url.decode(), "headers": self.headers, "bytes": len(self.body),
            "kv_transfer": self.body[:transfer_bytes].decode("latin-1"),
        })  # fmt: skip
        self.task = asyncio.get_running_loop().create_task(self.answer(json.loads(self.body[transfer_bytes:])))

    async def answer(self, request: dict[str, Any]) -> None:
        script = json.loads(request["messages"][-1]["content"])
        act = script.get(self.worker.worker_id, script.get("*", {}))
        if act.get("die") == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if act.get("hang"):
            await asyncio.sleep(3600)
        if "status" in act:
            self.whole(act["status"], {"error": {"message": "as the script says", "type": "scripted"}})
            return
        count = act.get("chunks", 4)
        if "x-novacron-prefill" in self.headers and not act.get("whole"):
            await asyncio.sleep(act.get("every_s", 0))
            self.send_transfer(f"read by {self.worker.worker_id}".encode() + b"\xff")
            return
        if not request.get("stream"):
            await asyncio.sleep(act.get("every_s", 0) * count)
            message = {"role": "assistant", "content": f"{self.worker.worker_id} " * count, "refusal": None}
            self.whole(200, {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ], "usage": {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}})  # fmt: skip
            return
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for at in range(count):
            await asyncio.sleep(act.get("every_s", 0))
            event = self.event({"content": act.get("text", f"{self.worker.worker_id} ")})
            if at == 2 and act.get("die") == "torn":
                self.transport.write(event[:20])
            if at == 2 and "die" in act:
                await asyncio.sleep(0.1)
                os.kill(os.getpid(), signal.SIGKILL)
            self.transport.write(event)
        usage = f': usage {{"prompt_tokens":1,"completion_tokens":{count}}}\n\n'.encode()
        if self.headers.get("x-novacron-usage"):
            self.transport.write(b"%x\r\n%b\r\n" % (len(usage), usage))
        self.transport.write(self.event({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    @staticmethod
    def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
        event = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        return b"%x\r\n%b\r\n" % (len(event), event)

    def send_transfer(self, transfer: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nx-novacron-kv-transfer: 1\r\ncontent-length: {len(transfer)}\r\n\r\n"
        self.transport.write(head.encode() + transfer)

    def whole(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        self.transport.write(head.encode() + content)


class Engine:
    """The limits that the worker registers."""

    max_context_tokens = 8192

    def __init__(self, slots: int) -> None:
        self.max_concurrent_requests = slots

    def stats(self) -> EngineStats:
        return EngineStats(running_requests=0, waiting_requests=0, kv_cache_utilization=0.0)


class Scripted:
    def __init__(self, worker_id: str, port: int, coordinators: str, slots: int) -> None:
        self.worker_id, self.port, self.slots = worker_id, port, slots
        self.requests: list[dict[str, Any]] = []
        self.connections: set[Connection] = set()
        self.aborted = 0
        self.digest = os.environ.get("MODEL_DIGEST", "ab" * 32)
        engine: Any = Engine(slots)
        self.served = ServedModel(model_id=MODEL, engine=engine, digest=self.digest, ready=True)
        self.served.adapters = dict.fromkeys(os.environ.get("ADAPTERS", "").split(), "cd" * 32)
        settings = {"worker_id": worker_id, "port": port, "coordinator": coordinators.split(",")}
        config = WorkerConfig.model_validate(settings | {"model": {"id": MODEL, "path": "."}})
        # Not validated: a role needs an engine with disaggregation.
        profile = PerformanceProfile(os.environ.get("PROFILE", "balanced"))
        role = WorkerRole(os.environ.get("ROLE", "both"))
        config = config.model_copy(update={"role": role, "performance_profile": profile})
        tls = os.environ.get("CLUSTER_TLS")
        self.tls = ClusterTls(ClusterTlsConfig.model_validate_json(tls)) if tls else None
        advertised = int(os.environ.get("ADVERTISED_PORT", port))
        token = os.environ["NOVACRON_CLUSTER_TOKEN"]
        assignments = AssignmentFollower(self.served, self.switch)
        self._registration = Registration(config, self.served, assignments, token, advertised, tls=self.tls)

    async def switch(self, model_id: str, url: str, digest: str, drain: Callable[[], Awaitable[None]]) -> None:
        if url == "file:///broken":
            raise StartError("the store is broken")
        await drain()
        await self.idle()
        engine: Any = Engine(self.slots)
        self.served.engine = engine
        self.served.model_id, self.served.digest = (model_id, digest) if model_id else (MODEL, self.digest)

    async def idle(self) -> None:
        if running := [one.task for one in self.connections if one.task is not None and not one.task.done()]:
            await asyncio.wait(running)

    async def run(self) -> None:
        connection = type("Bound", (Connection,), {"worker": self})
        loop = asyncio.get_running_loop()
        ssl = self.tls and self.tls.server
        server = await loop.create_server(connection, "127.0.0.1", self.port, backlog=2048, ssl=ssl)
        keeping = self.tls and asyncio.create_task(self.tls.watch_files())
        stopping = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        registering = asyncio.create_task(self._registration.run())
        await stopping.wait()
        await self._registration.drain()
        server.close()
        await self.idle()
        await self._registration.leave()
        registering.cancel()
        if keeping is not None:
            keeping.cancel()


if __name__ == "__main__":
    _, worker_id, port, coordinators, *more = sys.argv
    uvloop.run(Scripted(worker_id, int(port), coordinators, int(more[0]) if more else 64).run())
