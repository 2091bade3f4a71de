"""A worker that does what the request's last message says: `python -m … ID PORT COORDINATOR [PLACES]`.

The message is JSON: what each worker does by its id, `*` for all others; `{"*": {"chunks": 3}}` gives three tokens.

status    answer with this status and nothing else
chunks    tokens of the answer (4)
text      each of them (its id)
every_s   seconds between them (0)
die       "before": end the process without an answer; "middle": after two chunks; "torn": within the third
hang      never answer
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import grpc.aio
import httptools
import uvloop
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub

MODEL = "scripted"


class Connection(asyncio.Protocol):
    worker: Scripted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)
        self.task: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
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
        self.worker.requests.append({"path": self.url.decode(), "headers": self.headers, "bytes": len(self.body)})
        self.task = asyncio.get_running_loop().create_task(self.answer(json.loads(self.body)))

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

    def whole(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        self.transport.write(head.encode() + content)


class Scripted:
    def __init__(self, worker_id: str, port: int, coordinator: str, places: int) -> None:
        self.worker_id, self.port, self.coordinator, self.places = worker_id, port, coordinator, places
        self.requests: list[dict[str, Any]] = []
        self.aborted = 0

    async def run(self) -> None:
        connection = type("Bound", (Connection,), {"worker": self})
        await asyncio.get_running_loop().create_server(connection, "127.0.0.1", self.port, backlog=2048)
        metadata = (("authorization", f"Bearer {os.environ['NOVACRON_CLUSTER_TOKEN']}"),)
        registration = worker_pb2.RegisterRequest(
            worker_id=self.worker_id,
            address=f"127.0.0.1:{self.port}",
            model_id=MODEL,
            engine="scripted",
            model_digest=os.environ.get("MODEL_DIGEST", "ab" * 32),
            max_concurrent_requests=self.places,
            max_context_tokens=8192,
        )
        async with grpc.aio.insecure_channel(self.coordinator) as channel:
            stub: Any = WorkersStub(channel)
            while True:
                try:
                    answer = await stub.Register(registration, metadata=metadata)
                    while True:
                        await asyncio.sleep(answer.report_interval_s)
                        await stub.Report(worker_pb2.LoadReport(worker_id=self.worker_id), metadata=metadata)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)


if __name__ == "__main__":
    _, worker_id, port, coordinator, *more = sys.argv
    uvloop.run(Scripted(worker_id, int(port), coordinator, int(more[0]) if more else 64).run())
