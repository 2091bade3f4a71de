"""Raw bytes on sockets: pipelining, fragments, invalid HTTP and JSON, limits, and unusual paths."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import pytest

from .gateway import Gateway, body
from .stack import HTTP

pytestmark = pytest.mark.xdist_group("gateway")


def raw(gateway: Gateway, request: bytes, *, half_close: bool = False, wait_s: float = 5) -> bytes:
    """Return the response until the coordinator closes the connection, or sends nothing for a moment."""
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=wait_s) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        got = b""
        connection.settimeout(0.7)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(65536):
                got += piece
        return got


def post(content: bytes, *headers: str, path: str = "/v1/chat/completions", version: str = "1.1") -> bytes:
    usual = ("host: x", "authorization: Bearer sk-user", "content-type: application/json")
    lines = [f"POST {path} HTTP/{version}", *usual, *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


CONTENT = json.dumps(body({})).encode()
LENGTH = f"content-length: {len(CONTENT)}"


def statuses(got: bytes) -> list[int]:
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


def test_responses_to_pipelined_requests_arrive_in_order(gateway: Gateway) -> None:
    get = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-user\r\n\r\n"
    slow = json.dumps(body({"*": {"every_s": 0.05}})).encode()
    got = raw(gateway, post(slow, f"content-length: {len(slow)}") + get + post(CONTENT, LENGTH) + get)
    assert statuses(got) == [200] * 4
    kinds = [b"chat.completion" in part for part in got.split(b"HTTP/1.1 ")[1:]]
    assert kinds == [True, False, True, False]


def test_body_may_arrive_in_fragments_or_in_chunks(gateway: Gateway) -> None:
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(CONTENT[at : at + 7]), CONTENT[at : at + 7]) for at in
                       range(0, len(CONTENT), 7)) + b"0\r\n\r\n"  # fmt: skip
    assert statuses(raw(gateway, post(chunked, "transfer-encoding: chunked"))) == [200]
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
        for byte in post(CONTENT, LENGTH):
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_http_1_0_client_gets_whole_responses_and_400_for_a_stream(gateway: Gateway) -> None:
    got = raw(gateway, post(CONTENT, LENGTH, version="1.0"))
    assert got.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in got
    streaming = json.dumps(body({}, stream=True)).encode()
    assert statuses(raw(gateway, post(streaming, f"content-length: {len(streaming)}", version="1.0"))) == [400]


def test_expect_100_continue_is_honoured(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
        connection.sendall(post(b"", LENGTH, "expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(CONTENT)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_",
    [
        post(CONTENT, LENGTH, "transfer-encoding: chunked"),
        post(CONTENT, LENGTH, f"content-length: {len(CONTENT) + 1}"),
        post(CONTENT, "content-length: -1"),
        post(CONTENT, "content-length: 0x10"),
        post(CONTENT, "transfer-encoding: chunked, identity"),
        post(b"zz\r\n", "transfer-encoding: chunked"),
        post(CONTENT, LENGTH, "bad header: x"),
        post(CONTENT, LENGTH, "x-\x00: y"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
    ],
)
def test_invalid_http_is_400_and_never_reaches_a_worker(gateway: Gateway, request_: bytes) -> None:
    before = sum(len(gateway.seen(worker)["requests"]) for worker in ("a", "b"))
    assert set(statuses(raw(gateway, request_))) <= {400}
    assert sum(len(gateway.seen(worker)["requests"]) for worker in ("a", "b")) == before
    assert gateway.ask({}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/v1/./chat/completions",
        "/V1/chat/completions", "/v1/chat%2Fcompletions", "/v1/chat/completions;x", "/v1/%63hat/completions",
    ],
)  # fmt: skip
def test_other_spellings_of_a_path_are_404(gateway: Gateway, path: str) -> None:
    assert statuses(raw(gateway, post(CONTENT, LENGTH, path=path))) == [404]


def test_query_strings_and_the_llm_prefix_are_accepted(gateway: Gateway) -> None:
    for path in ("/v1/chat/completions?api-version=1", "/api/v1/llm/chat/completions"):
        assert statuses(raw(gateway, post(CONTENT, LENGTH, path=path))) == [200]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1e999",
    ],
)
def test_body_that_is_not_a_json_object_is_400(gateway: Gateway, content: bytes) -> None:
    answer = HTTP.post(
        f"{gateway.url}/v1/chat/completions", content=content,
        headers={"authorization": "Bearer sk-user", "content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", [None, 1, [], {}, True])
def test_model_must_be_a_string(gateway: Gateway, model: Any) -> None:
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=body({}) | {"model": model},
                        headers={"authorization": "Bearer sk-user"})  # fmt: skip
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")


def test_body_of_100_mb_is_413_before_it_is_read(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
        connection.sendall(post(b"", "content-length: 100000000"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    endless = b"%x\r\n%b\r\n" % (65536, b" " * 65536)
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
        connection.sendall(post(b"", "transfer-encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(1600):
                connection.sendall(endless)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert gateway.ask({}).status_code == 200


def test_endless_headers_close_the_connection(gateway: Gateway) -> None:
    for endless in (b"x-a: %b\r\n" % (b"y" * 1000), b"y" * 1000):
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nx-first: ")
            with pytest.raises(ConnectionError):  # noqa: PT012 - the connection closes at some point
                for _ in range(20_000):
                    connection.sendall(endless)
    assert gateway.ask({}).status_code == 200
