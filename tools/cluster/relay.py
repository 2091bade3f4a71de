"""Passes connections on from a socket of one network namespace to an address of another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

_CHUNK_BYTES = 2**16
_MOST_CONNECTIONS = 1024


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _relay(listening: socket.socket, host: str, port: int) -> None:
    allowed = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with allowed:
            try:
                inner_reader, inner_writer = await asyncio.open_connection(host, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
            inner_writer.close()
            writer.close()

    server = await asyncio.start_server(accept, sock=listening)
    await server.serve_forever()


def main() -> None:
    """Relay connections of the socket `FD` to `HOST` and `PORT`, which are the arguments."""
    descriptor, host, port = sys.argv[1:]
    asyncio.run(_relay(socket.socket(fileno=int(descriptor)), host, int(port)))


if __name__ == "__main__":
    main()
