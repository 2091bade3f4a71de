"""A fake OpenAI backend that answers immediately, with JSON or with a stream of 32 chunks.

`python -m tests.bench.gateway.backend PORT [COORDINATOR_GRPC [CLUSTER_TLS]]`. With a coordinator's gRPC address, it
registers there as a worker and reports its load. CLUSTER_TLS is the `cluster_tls` setting in JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import grpc.aio
import httptools
import uvloop
from novacron_serving.cluster_tls import ClusterTls, ClusterTlsConfig, channel
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub

MODEL = "bench"
CHUNKS = 32
_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello there, this is the answer.","refusal":null},"logprobs":null,"finish_reason":'
    b'"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}'
)
_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
WHOLE = _JSON % len(_BODY) + _BODY
_MODELS_BODY = b'{"object":"list","data":[{"id":"bench","object":"model","created":0,"owned_by":"bench"}]}'
MODELS = _JSON % len(_MODELS_BODY) + _MODELS_BODY
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(choice: bytes) -> bytes:
    event = (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[%b]}\n\n'
        % choice
    )
    return b"%x\r\n%b\r\n" % (len(event), event)


TOKEN = _event(b'{"index":0,"delta":{"content":"token "},"logprobs":null,"finish_reason":null}')
LAST = (
    _event(b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}')
    + b"e\r\ndata: [DONE]\n\n\r\n"
    + b"0\r\n\r\n"
)


class Backend(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body, self.url = b"", b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.parser.get_method() == b"GET":
            self.transport.write(MODELS)
        elif b'"stream":true' in self.body or b'"stream": true' in self.body:
            self.transport.write(HEAD)
            self.chunk(CHUNKS)
        else:
            self.transport.write(WHOLE)

    def chunk(self, left: int) -> None:
        """Write one chunk per turn of the event loop, as an engine does, and not all in one write."""
        if left:
            self.transport.write(TOKEN)
            self.loop.call_soon(self.chunk, left - 1)
        else:
            self.transport.write(LAST)


async def main(port: int, coordinator: str | None = None, tls_setting: str | None = None) -> None:
    tls = ClusterTls(ClusterTlsConfig.model_validate_json(tls_setting)) if tls_setting else None
    server = await asyncio.get_running_loop().create_server(
        Backend, "127.0.0.1", port, backlog=4096, ssl=tls and tls.server
    )
    if coordinator is None:
        await server.serve_forever()
        return
    metadata = (("authorization", f"Bearer {os.environ['NOVACRON_CLUSTER_TOKEN']}"),)
    async with channel(coordinator, tls) as opened:
        stub: Any = WorkersStub(opened)
        registration = worker_pb2.RegisterRequest(
            worker_id=f"backend-{port}",
            address=f"127.0.0.1:{port}",
            model_id=MODEL,
            engine="fake",
            max_concurrent_requests=1024,
            max_context_tokens=8192,
        )
        while True:
            try:
                await stub.Register(registration, metadata=metadata, wait_for_ready=True)
                while True:
                    await asyncio.sleep(1)
                    await stub.Report(worker_pb2.LoadReport(worker_id=f"backend-{port}"), metadata=metadata)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.5)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:]))
