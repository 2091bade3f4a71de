"""The relay that publishes a node's ports at 127.0.0.1."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct

from tools.cluster.relay import relay

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def test_connections_that_end_make_room_for_others() -> None:
    async def run() -> None:
        answer = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            await answer.wait()
            writer.write(b"bye")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1")
        listening = socket.create_server(("127.0.0.1", 0))
        relaying = asyncio.create_task(
            relay(listening, "127.0.0.1", server.sockets[0].getsockname()[1], most_connections=2)
        )
        for reset in (False, True) * 4:
            answer.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
            writer.write(b"hello")
            if reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                writer.close()
            else:
                writer.write_eof()
            await asyncio.sleep(0.05)  # the relay sees it
            gc.collect()
            answer.set()
            if not reset:
                assert await asyncio.wait_for(reader.read(), timeout=10) == b"bye"
                writer.close()
        relaying.cancel()
        server.close()

    asyncio.run(run())
