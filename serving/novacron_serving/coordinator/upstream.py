"""Connections to one worker: kept open, one request at a time each, an answer's bytes passed on as they come.

The parser only says where an answer's head and end are. Not for which worker is asked, nor for what follows a failure.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import Protocol

import httptools

from novacron_serving.cluster_tls import ClusterTls, why

CONNECT_TIMEOUT_S = 2.0
IDLE_S = 30.0
"""A connection unused for so long is closed; workers keep theirs longer: `server.KEEP_ALIVE_S`."""

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """Who waits for an answer. Nothing is called after `ends` or `lost`."""

    def connected(self, connection: UpstreamConnection) -> bool:
        """A connection was opened for it; false: it is not wanted any more."""
        ...

    def begins(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head is there; header names are in lower case."""
        ...

    def passes(self, data: bytes) -> None:
        """Bytes of the body, with the framing of its chunks."""
        ...

    def ends(self) -> None:
        """The answer is whole."""
        ...

    def lost(self, reason: str, *, reused: bool) -> None:
        """No connection, or it broke; `reused`: while it was idle, perhaps."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """One connection; made by `Upstream` for a first request, which is sent as soon as it is open."""

    def __init__(self, upstream: Upstream, request: bytes, receiver: Receiver) -> None:
        self.transport: asyncio.Transport
        self.idle_since_s = 0.0
        self._upstream = upstream
        self._first = request, receiver
        self._receiver: Receiver | None = None
        self._reused = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._partial_head = b""
        self._head_complete = self._in_body = self._complete = self._keep_alive = False

    def send(self, request: bytes, receiver: Receiver, *, reused: bool) -> None:
        """Ask; the answer goes to `receiver`."""
        self._receiver = receiver
        self._reused = reused
        self.transport.write(request)

    def abandon(self) -> None:
        """Nobody waits any more: the worker sees the connection closed, and stops generating."""
        self._receiver = None
        self.transport.abort()

    # asyncio's and the parser's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self.transport = transport  # type: ignore[assignment]
        request, receiver = self._first
        if receiver.connected(self):
            self.send(request, receiver, reused=False)
        else:
            self._upstream.give_back(self)
        del self._first

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            nothing_came = not self._head_complete and not self._partial_head
            reason = self._upstream.why(exc) if exc else "it closed the connection"
            receiver.lost(reason, reused=self._reused and nothing_came)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        receiver = self._receiver
        if receiver is None:  # an answer that nobody asked for
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._receiver = None
            self.transport.abort()
            receiver.lost("what it answers is not HTTP", reused=False)
            return
        if not self._in_body:
            if not self._head_complete:
                self._partial_head += data
                return
            whole = self._partial_head + data
            data = whole[whole.index(b"\r\n\r\n") + 4 :]
            self._in_body = True
            receiver.begins(self._parser.get_status_code(), self._headers)
        if self._complete:
            self._receiver = None
            keep_alive = self._keep_alive
            self._reset()
            if keep_alive:
                self._upstream.give_back(self)
            else:
                self.transport.close()
            if data:
                receiver.passes(data)
            receiver.ends()
        elif data:
            receiver.passes(data)

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:  # noqa: D102
        self._head_complete = True
        self._keep_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:  # noqa: D102
        self._complete = True


class Upstream:
    """All connections to one worker."""

    def __init__(self, address: str, token: str, tls: ClusterTls | None = None) -> None:
        self.distrust = ""
        """Why TLS with it fails; empty: it does not."""
        self._address = address
        self._tls = tls
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._head_end = (
            f" HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        ).encode()
        self._idle: list[UpstreamConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def request(self, path: bytes, body: bytes | bytearray, more_headers: bytes = b"") -> bytes:
        """A request's bytes; `more_headers` are lines with their ends."""
        return b"".join((b"POST ", path, self._head_end, more_headers, b"content-length: %d\r\n\r\n" % len(body), body))

    def send(self, request: bytes, receiver: Receiver, *, fresh: bool = False) -> UpstreamConnection | None:
        """Ask on a connection that is open; or, with None, on a new one that `receiver.connected` is told of."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                connection.send(request, receiver, reused=True)
                return connection
        task = asyncio.get_running_loop().create_task(self._connect(request, receiver))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return None

    async def _connect(self, request: bytes, receiver: Receiver) -> None:
        tls = self._tls
        connecting = asyncio.get_running_loop().create_connection(
            lambda: UpstreamConnection(self, request, receiver),
            self._host,
            self._port,
            ssl=tls and tls.client,
            server_hostname=tls and tls.server_name,
        )
        try:
            await asyncio.wait_for(connecting, CONNECT_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError) as error:
            receiver.lost(self.why(error) or f"no connection within {CONNECT_TIMEOUT_S:g} s", reused=False)

    def why(self, error: Exception) -> str:
        """What went wrong with a connection; that the two sides do not trust each other is told once."""
        if not isinstance(error, ssl.SSLError):
            return str(error)
        reason = why(error)
        if reason != self.distrust:
            log.warning("no request gets to the worker at %s: %s", self._address, reason)
            self.distrust = reason
        return reason

    def give_back(self, connection: UpstreamConnection) -> None:
        """It is free for the next request."""
        connection.idle_since_s = time.monotonic()
        self._idle.append(connection)

    def close_idle(self) -> None:
        """Close what was not used for a while; the first in the list waits longest."""
        if self._idle:
            self.distrust = ""
        limit_s = time.monotonic() - IDLE_S
        while self._idle and (self._idle[0].idle_since_s < limit_s or self._idle[0].transport.is_closing()):
            self._idle.pop(0).transport.close()

    def close(self) -> None:
        """Close what is idle; requests under way go on."""
        while self._idle:
            self._idle.pop().transport.close()
