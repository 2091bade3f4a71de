"""Passes connections on from a socket of one network namespace to an address of another."""

from __future__ import annotations

import asyncio
import socket
import sys

_CHUNK_BYTES = 2**16
_MOST_CONNECTIONS = 1024


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:  # a peer that resets its connection ends the other one too
        writer.close()


async def relay(listening: socket.socket, host: str, port: int, most_connections: int = _MOST_CONNECTIONS) -> None:
    """Pass on the connections of a listening socket until this is cancelled; others wait for one to end."""
    allowed = asyncio.Semaphore(most_connections)
    running: set[asyncio.Task[None]] = set()
    """The event loop alone does not keep a task whose client has gone: it could be collected before it ends."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with allowed:
            try:
                inner_reader, inner_writer = await asyncio.open_connection(host, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
            inner_writer.close()
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(pass_on(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, sock=listening)
    await server.serve_forever()


def main() -> None:
    """Relay connections of the socket `FD` to `HOST` and `PORT`, which are the arguments."""
    descriptor, host, port = sys.argv[1:]
    asyncio.run(relay(socket.socket(fileno=int(descriptor)), host, int(port)))


if __name__ == "__main__":
    main()
