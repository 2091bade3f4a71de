"""A load generator: each connection sends one request after the other, for a number of seconds.

Requests of the first fifth are not counted, because gateways open their own connections then.

`python -m tests.bench.gateway.load PORT CONNECTIONS SECONDS HEADERS [stream]` prints one line of JSON. HEADERS is JSON
too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import httptools
import uvloop


class Client(asyncio.Protocol):
    def __init__(self, load: Load, request: bytes) -> None:
        self.load, self.request = load, request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpResponseParser(self)
        self.ask()

    def ask(self) -> None:
        self.first = 0.0
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:  # noqa: ARG002
        if not self.first:
            self.first = time.perf_counter()

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        load = self.load
        if self.began < load.begin:
            load.uncounted += 1
        elif self.parser.get_status_code() == 200:
            load.times.append(now - self.began)
            load.firsts.append(self.first - self.began)
        else:
            load.errors += 1
        if now < load.end:
            # The parser has to return from this message before the next request.
            load.loop.call_soon(self.ask)
        else:
            load.left -= 1
            if not load.left:
                load.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.load.done.done() and time.perf_counter() < self.load.end:
            self.load.lost += 1
            self.load.left -= 1
            if not self.load.left:
                self.load.done.set_result(None)


class Load:
    def __init__(self, connections: int, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.left = connections
        self.begin = time.perf_counter() + seconds / 4
        self.end = self.begin + seconds
        self.times: list[float] = []
        self.firsts: list[float] = []
        self.errors = self.lost = self.uncounted = 0


def request(port: int, stream: bool, headers: dict[str, str], at: int) -> bytes:
    body = json.dumps(
        {
            "model": "bench",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer in one short sentence. " * 4},
                {"role": "user", "content": f"Conversation {at}: how are you today?"},
            ],
            "max_tokens": 32,
            "stream": stream,
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        + f"accept: */*\r\naccept-encoding: identity\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def main(port: int, connections: int, seconds: float, stream: bool, headers: dict[str, str]) -> dict[str, float]:
    load = Load(connections, seconds)
    for at in range(connections):
        await load.loop.create_connection(
            lambda at=at: Client(load, request(port, stream, headers, at)), "127.0.0.1", port
        )
    try:
        await asyncio.wait_for(load.done, seconds + 20)
    except asyncio.TimeoutError:
        load.lost += load.left
    took = time.perf_counter() - load.begin

    def percentile_ms(values: list[float], part: float) -> float:
        return round(sorted(values)[int(part * (len(values) - 1))] * 1000, 3) if values else float("nan")

    return {
        "rps": round(len(load.times) / took, 1),
        "p50_ms": percentile_ms(load.times, 0.5),
        "p99_ms": percentile_ms(load.times, 0.99),
        "ttft_p50_ms": percentile_ms(load.firsts, 0.5),
        "ttft_p99_ms": percentile_ms(load.firsts, 0.99),
        "answers": len(load.times),
        "errors": load.errors,
        "lost": load.lost,
        "uncounted": load.uncounted,
    }


if __name__ == "__main__":
    _, port, connections, seconds, headers, *more = sys.argv
    done = main(int(port), int(connections), float(seconds), "stream" in more, json.loads(headers))
    print(json.dumps(uvloop.run(done)))  # noqa: T201
