"""Connections to one worker: they are kept open, serve one request at a time, and pass bytes on as they arrive.

The parser only finds the head and the end of a response. Worker selection and retries are elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Protocol

import httptools

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.cluster_tls import ClusterTls, describe_error
from novacron_serving.server import watch_peer

CONNECT_TIMEOUT_S = 2.0
PEER_TIMEOUT_S = 15
"""A connection to a worker that acknowledges nothing is closed after this time; usually the worker is lost before."""
MAX_RESPONSE_HEAD_BYTES = 2**16
_END_OF_CHUNKS = b"0\r\n\r\n"
_NO_BODY = (204, 304)
IDLE_S = 30.0
"""Idle connections are closed after this time. Workers keep theirs longer: `server.KEEP_ALIVE_S`."""

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """Receives the response to one request. `on_complete` or `on_error` is the last call."""

    def on_connect(self, connection: UpstreamConnection) -> bool:
        """Handle that a connection was opened; return False when it is not needed any more."""
        ...

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Handle the head. Header names are in lower case."""
        ...

    def on_data(self, data: bytes) -> None:
        """Handle bytes of the body, including the framing of its chunks."""
        ...

    def on_complete(self) -> None:
        """Handle the end of the response."""
        ...

    def on_error(self, reason: str, *, reused: bool) -> None:
        """Handle that there is no connection, or that it was lost.

        Args:
            reason: what happened.
            reused: whether the worker may have closed the connection while it was idle.
        """
        ...


class _InvalidResponseError(Exception):
    """A worker's response is not one that can be passed on."""


class UpstreamConnection(asyncio.Protocol):
    """One connection. `Upstream` opens it for a first request, which is sent once it is open."""

    def __init__(self, upstream: Upstream, request: bytes, receiver: Receiver) -> None:
        self.transport: asyncio.Transport
        self.idle_since_s = 0.0
        self._upstream = upstream
        self._first = request, receiver
        self._receiver: Receiver | None = None
        self._reused = self._paused = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._partial = b""
        """The part of a head that has arrived; afterwards the last bytes of a chunked body.

        A response must end where its data ends: the client would take more for the next response.
        """
        self._body_bytes: int | None = None
        """Bytes of the body that are left; None: it is chunked."""
        self._head_complete = self._in_body = self._complete = self._keep_alive = False

    def send(self, request: bytes, receiver: Receiver, *, reused: bool) -> None:
        """Send a request. The response goes to `receiver`."""
        self._receiver = receiver
        self._reused = reused
        self.transport.write(request)

    def abort(self) -> None:
        """Close the connection without waiting for the response. The worker then stops generating."""
        self._receiver = None
        self.transport.abort()

    # callbacks of asyncio and of the parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self.transport = transport  # type: ignore[assignment]
        connection = transport.get_extra_info("socket")
        if connection is not None:
            watch_peer(connection, PEER_TIMEOUT_S)
        request, receiver = self._first
        if receiver.on_connect(self):
            self.send(request, receiver, reused=False)
        else:
            self._upstream.put_idle(self)
        del self._first

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            no_response = not self._head_complete and not self._partial
            reason = self._upstream.describe_error(exc) if exc else "it closed the connection"
            receiver.on_error(reason, reused=self._reused and no_response)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        receiver = self._receiver
        if receiver is None:  # a response without a request
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
            if not self._in_body:
                if not self._head_complete:
                    self._partial += data
                    if len(self._partial) > MAX_RESPONSE_HEAD_BYTES:
                        raise _InvalidResponseError
                    return
                whole = self._partial + data
                data, self._partial = whole[whole.index(b"\r\n\r\n") + 4 :], b""
                self._start_body()
                receiver.on_headers(self._parser.get_status_code(), self._headers)
            if self._body_bytes is not None:
                self._body_bytes -= len(data)
                if self._complete is not (self._body_bytes == 0):
                    raise _InvalidResponseError
            elif not self._complete:
                self._partial = (
                    data if len(data) >= len(_END_OF_CHUNKS) else self._partial[-len(_END_OF_CHUNKS) :] + data
                )
            elif not (self._partial + data).endswith(_END_OF_CHUNKS):
                raise _InvalidResponseError
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, _InvalidResponseError):
            self._receiver = None
            self.transport.abort()
            receiver.on_error("its response is not valid HTTP", reused=False)
            return
        if data:
            receiver.on_data(data)
        if self._complete and self._receiver is receiver:
            self._receiver = None
            self.resume()
            keep_alive = self._keep_alive
            self._reset()
            if keep_alive:
                self._upstream.put_idle(self)
            else:
                self.transport.close()
            receiver.on_complete()

    def _start_body(self) -> None:
        """Find out how the response ends. One that ends with its connection could be cut off without notice."""
        self._in_body = True
        status = self._parser.get_status_code()
        names = dict(self._headers)
        if status in _NO_BODY:
            self._body_bytes = 0
        elif b"transfer-encoding" not in names:
            self._body_bytes = int(names.get(b"content-length", b"-1"))
            if self._body_bytes < 0:
                raise _InvalidResponseError
        if status < 200:  # workers send no interim responses: the head of the real one would look like its body
            raise _InvalidResponseError

    def pause(self) -> None:
        """Stop reading the response."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read the response again."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def on_message_begin(self) -> None:  # noqa: D102
        if self._complete:
            raise _InvalidResponseError  # a second response to one request

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:  # noqa: D102
        self._head_complete = True
        self._keep_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:  # noqa: D102
        self._complete = True


class Upstream:
    """All connections to one worker."""

    def __init__(self, address: str, token: str, tls: ClusterTls | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Prepare connections to a worker.

        Args:
            address: its `host:port`.
            token: the cluster token.
            tls: TLS between coordinators and workers, if it is on.
            clock: measures idle times.

        Raises:
            ValueError: the address is not `host:port`.
        """
        self.tls_error = ""
        """Why TLS with the worker fails; empty: it does not fail."""
        self._address = address
        self._tls = tls
        self._clock = clock
        self._host, _, port = address.rpartition(":")
        if not (self._host and address.isascii() and address.isprintable() and port.isdigit() and int(port) < 2**16):
            raise ValueError(f"address is {address!r}; it must be host:port")
        self._port = int(port)
        self._head_end = (
            f" HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        ).encode()
        self._idle: list[UpstreamConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def request(self, path: bytes, body: bytes | bytearray, lines: bytes = b"") -> bytes:
        """Return the bytes of a request.

        Args:
            path: the worker's path.
            body: the body.
            lines: extra header lines, each with its line end.
        """
        return b"".join((b"POST ", path, self._head_end, lines, b"content-length: %d\r\n\r\n" % len(body), body))

    def send(self, request: bytes, receiver: Receiver, *, new_connection: bool = False) -> UpstreamConnection | None:
        """Send a request on an idle connection, or open a new one.

        Returns:
            The idle connection; None: a connection is being opened, and `receiver.on_connect` gets it.
        """
        while self._idle and not new_connection:
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
            reason = self.describe_error(error) or f"no connection within {CONNECT_TIMEOUT_S:g} s"
            receiver.on_error(reason, reused=False)

    def describe_error(self, error: Exception) -> str:
        """Return what went wrong with a connection. A TLS error is logged when it first occurs."""
        if not isinstance(error, ssl.SSLError):
            return str(error)
        reason = describe_error(error)
        if reason != self.tls_error:
            log.warning("cannot connect to the worker at %s: %s", self._address, reason)
            self.tls_error = reason
        return reason

    def put_idle(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request."""
        connection.idle_since_s = self._clock.monotonic()
        self._idle.append(connection)

    def close_idle(self) -> None:
        """Close connections that have been idle for `IDLE_S`. The first one in the list is the oldest."""
        if self._idle:
            self.tls_error = ""
        limit_s = self._clock.monotonic() - IDLE_S
        while self._idle and (self._idle[0].idle_since_s < limit_s or self._idle[0].transport.is_closing()):
            self._idle.pop(0).transport.close()

    def close(self) -> None:
        """Close idle connections. Requests in flight continue."""
        while self._idle:
            self._idle.pop().transport.close()
