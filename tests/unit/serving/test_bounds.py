"""Bounds of buffers and limits of waits on the hot path: every row of the tables in `http.bounds`."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from novacron_serving import server
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http import bounds
from novacron_serving.coordinator.limits.authentication import ANONYMOUS
from novacron_serving.coordinator.workers import upstream
from novacron_serving.errors import RequestError

from .http_client import CONTENT, Client, on_loop, post

EMPTY = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
HALF = post()[:-5]
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
JSON_TYPE = b"content-type: application/json\r\n"


def test_every_bound_in_the_tables_exists_and_every_constant_is_in_them() -> None:
    documented = set(re.findall(r"`([A-Z]\w+)`", bounds.__doc__ or ""))
    settings = set(re.findall(r"`([a-z_]+)`", bounds.__doc__ or ""))
    own = {name for name in vars(bounds) if name.isupper()}
    assert own - documented == {"DRAINED_BODY_BYTES"}
    elsewhere = documented - own
    assert all(hasattr(upstream, name) or hasattr(server, name) for name in elsewhere)
    assert settings <= set(CoordinatorConfig.model_fields)


def refuse_every_key(client: Client) -> None:
    def refuse(_: object) -> Any:
        raise RequestError(401, "unknown API key", kind="authentication_error")

    client.context.authenticator.authenticate = refuse


# buffers of a connection


@pytest.mark.parametrize("trailer", [b"x" * 1000, b"a: b\r\n" * 100], ids=["one line", "many lines"])
def test_endless_trailers_are_aborted(trailer: bytes) -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(CHUNKED + JSON_TYPE + b"\r\n2\r\n{}\r\n0\r\nx: ")
        sent = 0
        while not client.transport.aborted:
            client.protocol.data_received(trailer)
            sent += len(trailer)
            assert sent <= bounds.MAX_HEAD_BYTES + 2 * len(trailer)

    on_loop(test)


def test_trailers_do_not_become_headers() -> None:
    def test() -> None:
        client = Client()
        body = orjson.dumps(CONTENT)
        client.protocol.data_received(
            CHUNKED
            + JSON_TYPE
            + b"x-request-id: one\r\n\r\n%x\r\n%b\r\n0\r\nx-request-id: two\r\n\r\n" % (len(body), body)
        )
        client.respond()
        assert b"x-request-id: one" in client.transport.written
        assert client.protocol.headers.count((b"x-request-id", b"two")) == 0

    on_loop(test)


@pytest.mark.parametrize("request_bytes", [HALF, CHUNKED + JSON_TYPE + b"\r\n"], ids=["length", "chunked"])
def test_key_is_checked_before_the_body_is_read(request_bytes: bytes) -> None:
    def test() -> None:
        client = Client()
        refuse_every_key(client)
        client.protocol.data_received(request_bytes)
        assert client.status() == 401
        client.protocol.data_received(b"x" * 100_000)
        assert client.protocol.cycle.body == b""
        assert client.context.incomplete_bytes == 0

    on_loop(test)


def test_connection_survives_a_wrong_key_with_a_small_body() -> None:
    def test() -> None:
        client = Client()
        refuse_every_key(client)
        client.post()
        assert client.status() == 401
        client.authenticate_as(ANONYMOUS)
        client.post()
        client.respond()
        assert client.transport.written.count(b"HTTP/1.1 200") == 1
        assert not client.transport.closed

    on_loop(test)


def test_responses_that_the_client_does_not_read_are_bounded() -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(EMPTY * 10)
        assert client.transport.written.count(b"HTTP/1.1 415") == 10
        client.protocol.pause_writing()
        client.protocol.data_received(EMPTY * 10)
        assert client.transport.written.count(b"HTTP/1.1 415") == 10
        assert client.transport.reading is False
        client.protocol.resume_writing()
        assert client.transport.written.count(b"HTTP/1.1 415") == 20
        assert client.transport.reading is True

    on_loop(test)


@pytest.mark.parametrize("blocked", [True, False], ids=["unread responses", "a request in progress"])
def test_requests_that_wait_behind_another_one_are_bounded(blocked: bool) -> None:
    def test() -> None:
        client = Client()
        if blocked:
            client.protocol.pause_writing()
        else:
            client.post()
        client.protocol.data_received(EMPTY * bounds.MAX_PIPELINED)
        assert not client.transport.aborted
        client.protocol.data_received(EMPTY)
        assert client.transport.aborted

    on_loop(test)


def test_bodies_that_wait_behind_another_request_are_bounded() -> None:
    def test() -> None:
        client = Client()
        client.post()
        client.post({"model": "m", "prompt": "x" * (bounds.MAX_PIPELINED_BYTES // 2)})
        assert client.transport.reading is True
        client.post({"model": "m", "prompt": "x" * (bounds.MAX_PIPELINED_BYTES // 2)})
        assert client.transport.reading is False
        for _ in range(3):
            client.respond()
        assert client.transport.reading is True
        assert client.transport.written.count(b"HTTP/1.1 200") == 3

    on_loop(test)


def test_many_pipelined_requests_do_not_recurse() -> None:
    def test() -> None:
        client = Client()
        client.post()
        client.protocol.data_received(EMPTY * bounds.MAX_PIPELINED)
        client.respond()
        assert client.transport.written.count(b"HTTP/1.1 415") == bounds.MAX_PIPELINED

    on_loop(test)


def test_worker_waits_while_the_client_does_not_read() -> None:
    def test() -> None:
        client = Client()
        client.post()
        sent = client.sent[0]
        client.protocol.pause_writing()
        connection = client.connection()
        sent.receiver.on_connect(connection)  # opened while the client does not read
        assert connection.paused
        client.protocol.resume_writing()
        assert not connection.paused
        sent.receiver.on_headers(200, [(b"content-length", b"9")])
        client.protocol.pause_writing()
        assert connection.paused

    on_loop(test)


# sums over all connections


def test_incomplete_bodies_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novacron_serving.coordinator.http.proxy_request.MAX_INCOMPLETE_BYTES", 1_000_000)

    def test() -> None:
        client = Client()
        clients = [client, *(client.another() for _ in range(3))]
        for one in clients:
            one.protocol.data_received(post({"model": "m", "prompt": "x" * 400_000})[:-1])
        assert [one.transport.written[:12] for one in clients] == [b"", b"", b"HTTP/1.1 503", b"HTTP/1.1 503"]
        for one in clients:
            one.protocol.connection_lost(None)
        assert client.context.incomplete_bytes == 0

    on_loop(test)


def test_complete_bodies_do_not_count_as_incomplete_and_are_dropped_after_the_response() -> None:
    def test() -> None:
        client = Client()
        request = post({"model": "m", "prompt": "x" * 10_000})
        for cut in (10, 500, len(request) - 1):
            client.protocol.data_received(request[:cut])
            client.protocol.data_received(request[cut:])
            assert client.context.incomplete_bytes == 0
            client.respond()
            assert client.protocol.cycle.body == b""

    on_loop(test)


def test_new_connection_replaces_the_longest_idle_one() -> None:
    def test() -> None:
        client = Client(max_connections=3)
        busy, idle, latest = client, client.another(), client.another()
        busy.post()
        client.clock.advance(1)
        idle.post(b"{")
        latest.post(b"{")
        client.clock.advance(1)
        latest.post(b"{")
        fourth = client.another()
        assert [one.transport.aborted for one in (busy, idle, latest, fourth)] == [False, True, False, False]
        for one in (latest, fourth):
            one.post()
        assert client.another().transport.aborted

    on_loop(test)


# waits


@pytest.mark.parametrize(
    ("data", "limit_s", "status"),
    [
        (b"", bounds.HEAD_TIMEOUT_S, None),
        (post()[:40], bounds.HEAD_TIMEOUT_S, b"408"),
        (b"GET /health HTTP/1.1\r\nhost: x\r\n", bounds.HEAD_TIMEOUT_S, b"408"),
        (HALF, bounds.BODY_TIMEOUT_S, b"408"),
        (CHUNKED + JSON_TYPE + b"\r\n2\r\n{}\r\n0\r\nx: y", bounds.BODY_TIMEOUT_S, b"408"),
        (EMPTY, server.KEEP_ALIVE_S, b"415"),
        (EMPTY + post()[:40], bounds.HEAD_TIMEOUT_S, b"415"),
    ],
    ids=[
        "nothing",
        "half a head",
        "half a head of another path",
        "half a body",
        "half a trailer",
        "idle",
        "second head",
    ],
)
def test_client_that_sends_too_slowly_is_disconnected(data: bytes, limit_s: float, status: bytes | None) -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(data)
        client.after(limit_s - 1, "a")
        assert not client.is_closing()
        client.after(2, "a")
        assert client.is_closing()
        assert client.transport.written[9:12] == (status or b"")
        assert client.scheduler.in_flight == 0

    on_loop(test)


def test_one_byte_each_ten_seconds_does_not_extend_the_limit() -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(HALF)
        for _ in range(7):
            client.after(10, "a")
            if not client.is_closing():
                client.protocol.data_received(b" ")
        assert client.is_closing()

    on_loop(test)


def test_slow_clients_do_not_count_the_time_of_the_worker() -> None:
    def test() -> None:
        client = Client(first_byte_timeout_s=1000, stream_idle_timeout_s=1000)
        client.post()
        for _ in range(20):
            client.after(20, "a")
        assert not client.is_closing()
        client.respond()
        assert client.status() == 200

    on_loop(test)


@pytest.mark.parametrize("in_progress", [True, False])
def test_client_that_does_not_read_is_aborted(in_progress: bool) -> None:
    def test() -> None:
        client = Client()
        client.post()
        if not in_progress:
            client.respond()
        client.protocol.pause_writing()
        client.after(bounds.UNREAD_TIMEOUT_S - 1, "a")
        assert not client.transport.aborted
        client.after(2, "a")
        assert client.transport.aborted

    on_loop(test)


# a client that leaves


@pytest.mark.parametrize("behind", [0, 1, 5])
def test_requests_of_a_client_that_leaves_are_given_up_with_those_behind_them(behind: int) -> None:
    def test() -> None:
        client = Client()
        for _ in range(1 + behind):
            client.post()
        assert client.transport.reading is True  # or the coordinator would not notice
        client.protocol.connection_lost(None)
        assert client.scheduler.in_flight == 0
        assert len(client.sent) == 1
        assert client.context.incomplete_bytes == 0

    on_loop(test)


# one reading of every request


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
@pytest.mark.parametrize("header", ["authorization: Bearer a", "host: x", "content-type: text/plain", "origin: x"])
def test_header_that_decides_something_must_not_be_there_twice(path: str, header: str) -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(
            f"POST {path} HTTP/1.1\r\n{header}\r\nx: y\r\n{header}\r\ncontent-length: 0\r\n\r\n".encode()
        )
        assert client.status() == 400
        assert "twice" in client.body()["error"]["message"]
        assert client.sent == []

    on_loop(test)


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "anything"])
@pytest.mark.parametrize("pieces", [1, 2, 30])
def test_offer_to_upgrade_is_ignored_and_the_body_is_a_body(protocol: str, pieces: int) -> None:
    def test() -> None:
        client = Client()
        hidden = post({"model": "m", "prompt": "smuggled"})
        body = orjson.dumps({"model": "m", "prompt": hidden.decode()})
        data = (
            post(body, "connection: Upgrade, HTTP2-Settings", f"upgrade: {protocol}", "http2-settings: AAMAAABk")
            + post()
        )
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            client.protocol.data_received(data[start : start + size])
        assert len(client.sent) == 1
        client.respond(b'{"one": 1}')
        client.respond(b'{"two": 2}')
        assert client.transport.written.count(b"HTTP/1.1 200") == 2
        assert len(client.sent) == 2

    on_loop(test)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.9"])
def test_other_versions_of_http_are_refused(version: str) -> None:
    def test() -> None:
        client = Client()
        client.protocol.data_received(post().replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        assert client.transport.written[9:12] in (b"505", b"400")
        assert client.sent == []

    on_loop(test)


def test_garbage_behind_a_request_in_progress_does_not_mix_with_its_response() -> None:
    def test() -> None:
        client = Client()
        client.post()
        client.protocol.data_received(b"\x00garbage\r\n\r\n")
        assert client.transport.written == b""
        assert client.transport.aborted

    on_loop(test)
