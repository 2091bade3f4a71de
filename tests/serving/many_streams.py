"""Concurrent streams from one process: `python -m tests.serving.many_streams PORT KEY COUNT` prints the results."""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from tests.serving.scripted_worker import MODEL


async def one(port: int, key: str) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(
        {
            "model": MODEL,
            "stream": True,
            "messages": [{"role": "user", "content": '{"*": {"chunks": 10, "every_s": 0.2}}'}],
        }
    )
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n{content}".encode()
    )
    got = await reader.read()
    writer.close()
    return got.startswith(b"HTTP/1.1 200") and got.count(b'"content"') == 10 and b"[DONE]" in got


async def main(port: int, key: str, count: int) -> None:
    whole = sum(await asyncio.gather(*(one(port, key) for _ in range(count))))
    print(json.dumps({"whole": whole, "failed": count - whole}))  # noqa: T201


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
