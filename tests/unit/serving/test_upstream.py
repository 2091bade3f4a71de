"""Connections to a worker: what counts as a response, and what may follow one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from novacron_serving.coordinator.workers.upstream import MAX_RESPONSE_HEAD_BYTES, Upstream, UpstreamConnection

from .http_client import Transport, on_loop

WHOLE = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


class Recorder:
    """A receiver that remembers what it got."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.completed = 0
        self.error = ""

    def on_connect(self, connection: UpstreamConnection) -> bool:
        del connection
        return True

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        del headers
        self.status = status

    def on_data(self, data: bytes) -> None:
        self.body += data

    def on_complete(self) -> None:
        self.completed += 1

    def on_error(self, reason: str, *, reused: bool) -> None:
        del reused
        self.error = reason


def connect() -> tuple[Any, Recorder, Transport]:
    upstream, receiver, transport = Upstream("127.0.0.1:1", "token"), Recorder(), Transport()
    connection = UpstreamConnection(upstream, b"request", receiver)
    connection.connection_made(transport)  # type: ignore[arg-type]
    return connection, receiver, transport


def feed(connection: Any, data: bytes, size: int) -> None:
    for start in range(0, len(data), size):
        connection.data_received(data[start : start + size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("response", [WHOLE, CHUNKED, EMPTY], ids=["whole", "chunked", "empty"])
def test_response_in_any_pieces_is_complete_and_the_connection_is_used_again(response: bytes, size: int) -> None:
    def test() -> None:
        connection, receiver, transport = connect()
        for number in range(1, 4):
            feed(connection, response, size)
            assert (receiver.completed, receiver.error) == (number, "")
            assert not transport.closed
            connection.send(b"request", receiver, reused=True)
        assert receiver.body == response.partition(b"\r\n\r\n")[2] * 3

    on_loop(test)


BAD: dict[str, bytes] = {
    "two whole responses": WHOLE + WHOLE,
    "two chunked responses": CHUNKED + CHUNKED,
    "a head behind a whole response": WHOLE + b"HTTP/1.1 200 OK\r\n",
    "an empty line behind a whole response": WHOLE + b"\r\n",
    "an empty line behind a chunked response": CHUNKED + b"\r\n",
    "a response behind an empty one": EMPTY + WHOLE,
    "an interim response": b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + WHOLE,
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nabc",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "both lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "an endless head": b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_RESPONSE_HEAD_BYTES + 1000),
}


@pytest.mark.parametrize("size", [1, 1000, 10**6])
@pytest.mark.parametrize("response", BAD.values(), ids=BAD.keys())
def test_response_that_would_split_the_client_s_connection_is_a_failure(response: bytes, size: int) -> None:
    def test() -> None:
        connection, receiver, transport = connect()
        feed(connection, response, size)
        # In pieces, the worker may have sent a good response first: the connection is then closed for the rest.
        assert transport.aborted
        assert receiver.error or receiver.body in (WHOLE[-7:], CHUNKED.partition(b"\r\n\r\n")[2], b"")
        assert receiver.completed <= 1

    on_loop(test)


def test_nothing_of_a_second_response_reaches_the_client() -> None:
    def test() -> None:
        for response in (WHOLE + WHOLE, CHUNKED + CHUNKED):
            connection, receiver, _ = connect()
            connection.data_received(response)
            assert (receiver.completed, receiver.body) == (0, b"")
            assert receiver.error == "its response is not valid HTTP"

    on_loop(test)


def test_connection_that_was_paused_is_read_again_for_the_next_request() -> None:
    def test() -> None:
        connection, receiver, transport = connect()
        original: Callable[[bytes], None] = receiver.on_data

        def pause_and_take(data: bytes) -> None:  # the client's connection is full
            connection.pause()
            original(data)

        receiver.on_data = pause_and_take  # type: ignore[method-assign]
        connection.data_received(WHOLE)
        assert receiver.completed == 1
        assert transport.reading is True

    on_loop(test)
