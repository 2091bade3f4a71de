"""The HTTP protocol and its requests: heads, errors, the response cache and pages of other sites."""

from __future__ import annotations

import orjson
import pytest
from novacron_serving.coordinator.http import proxy_request
from novacron_serving.coordinator.http.bounds import MAX_HEAD_BYTES
from novacron_serving.coordinator.limits.authentication import CacheUse, Principal, Role
from novacron_serving.coordinator.limits.token_bucket import TokenBucket

from .http_client import CONTENT, Client, on_loop, post

# heads in several pieces


@pytest.mark.parametrize("size", [0, 150_000, 300_000, 1_000_000, 3_000_000])
@pytest.mark.parametrize("cut", [1, 50, 90])
def test_body_bytes_do_not_count_as_head_when_the_head_arrives_in_two_pieces(size: int, cut: int) -> None:
    def test() -> None:
        client = Client()
        request = post({"model": "m", "messages": [{"role": "user", "content": "x" * size}]})
        for _ in range(3):  # on one connection
            client.protocol.data_received(request[:cut])
            client.protocol.data_received(request[cut:])
            client.respond()
        assert not client.transport.closed
        assert client.transport.written.count(b"HTTP/1.1 200") == 3

    on_loop(test)


def test_body_bytes_of_the_request_before_do_not_count_as_head() -> None:
    def test() -> None:
        client = Client()
        first = post({"model": "m", "messages": [{"role": "user", "content": "x" * 600_000}]})
        second = post()
        client.protocol.data_received(first[:1000])
        client.protocol.data_received(first[1000:] + second[:50])
        assert not client.transport.closed
        client.respond()
        client.protocol.data_received(second[50:])
        client.respond()
        assert client.transport.written.count(b"HTTP/1.1 200") == 2

    on_loop(test)


@pytest.mark.parametrize("before", [0, 1, 2])
def test_endless_head_is_aborted_at_its_limit(before: int) -> None:
    def test() -> None:
        client = Client()
        for _ in range(before):
            client.post()
            client.respond()
        client.protocol.data_received(b"POST /v1/chat/completions HTTP/1.1\r\nx-first: ")
        sent = 0
        while not client.transport.aborted:
            client.protocol.data_received(b"x" * 1000)
            sent += 1000
            assert sent <= MAX_HEAD_BYTES + 1000
        assert sent > MAX_HEAD_BYTES

    on_loop(test)


# requests that fail between admission and release


@pytest.mark.parametrize(
    "content",
    [
        b'{"model":"m","prompt":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"model":"m","prompt":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model":"m","messages":[{"content":' + b"[" * 1010 + b"]" * 1010 + b"}]}",
        b'{"model":"m","messages":[],"tools":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
        b'{"model":"m","messages":[],"temperature":0,"metadata":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model":' + b"[" * 1000 + b"]" * 1000 + b',"temperature":0}',
        b'{"model":"m","metadata":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model":"m","metadata":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    ],
)
def test_deeply_nested_json_is_a_400_in_the_openai_form(content: bytes) -> None:
    def test() -> None:
        client = Client(cache=True)
        client.authenticate_as(Principal("one", Role.USER, cache=CacheUse.OWN))
        for _ in range(3):
            client.post(content)
            assert client.status() == 400
            assert client.body()["error"]["type"] == "invalid_request_error"
            client.transport.written = b""
        assert not client.transport.closed
        assert client.scheduler.in_flight == 0
        assert client.sent == []

    on_loop(test)


@pytest.mark.parametrize("method", ["parse_object", "use_cache", "admit", "_choose_worker"])
def test_any_exception_while_handling_a_request_is_a_500_and_releases_it(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RecursionError("a fault of the coordinator")

    def test() -> None:
        client = Client(cache=True)
        with monkeypatch.context() as patch:
            patch.setattr(proxy_request if hasattr(proxy_request, method) else client.scheduler, method, fail)
            client.post()
        assert client.status() == 500
        assert client.body()["error"]["type"] == "server_error"
        assert (client.scheduler.in_flight, client.scheduler.queued) == (0, 0)
        client.transport.written = b""
        client.post()
        client.respond()
        assert client.status() == 200
        assert client.scheduler.in_flight == 0

    on_loop(test)


def test_client_that_disconnects_is_released_once() -> None:
    def test() -> None:
        client = Client()
        client.post()
        assert client.scheduler.in_flight == 1
        client.protocol.connection_lost(None)
        client.protocol.connection_lost(None)
        assert client.scheduler.in_flight == 0
        worker = client.cluster.workers.get("a")
        assert worker is not None
        assert worker.in_flight == 0

    on_loop(test)


@pytest.mark.parametrize("dispatched", [True, False])
def test_client_that_disconnects_before_the_response_pays_for_its_prompt_if_a_worker_got_it(dispatched: bool) -> None:
    def test() -> None:
        client = Client()
        bucket = TokenBucket(100, client.clock)
        principal = Principal("one", Role.USER, token_bucket=bucket)
        client.authenticate_as(principal)
        if not dispatched:
            worker = client.cluster.workers.get("a")
            assert worker is not None
            worker.load = worker.capacity
        client.post({"model": "m", "messages": [{"role": "user", "content": "x" * 4000}]})
        assert len(client.sent) == dispatched
        client.protocol.connection_lost(None)
        assert (bucket.refill() < -900) is dispatched

    on_loop(test)


# the response cache


@pytest.mark.parametrize(
    ("body", "hits"),
    [
        (b"data: {}\n\ndata: [DONE]\n\n", 1),
        (b'data: {}\n\ndata: {"error":{"message":"died"}}\n\n', 0),
        (b"data: {}\n\n", 0),
    ],
    ids=["complete", "in-band error", "without done"],
)
def test_only_a_complete_stream_is_served_from_the_cache(body: bytes, hits: int) -> None:
    def test() -> None:
        client = Client(cache=True)
        client.authenticate_as(Principal("one", Role.USER, cache=CacheUse.OWN))
        for number in range(2):
            client.post(CONTENT | {"temperature": 0, "stream": True})
            if client.transport.written.count(b"HTTP/1.1 200") == number:  # not from the cache
                client.respond(body, streamed=True)
        assert client.transport.written.count(b"HTTP/1.1 200") == 2
        assert client.transport.written.count(b"x-novacron-cache: hit") == hits
        assert len(client.sent) == 2 - hits

    on_loop(test)


# pages of other sites


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["host: evil.example:8080"], 403),
        (["host: localhost:8080", "origin: http://evil.example"], 403),
        (["host: localhost:8080", "origin: null"], 403),
        (["host: localhost:8080", "content-type: text/plain"], 415),
        (["host: localhost:8080"], 415),
        (["host: localhost:8080", "origin: http://localhost:8080", "content-type: application/json"], None),
        (["content-type: application/json; charset=utf-8"], None),
    ],
)
def test_hot_path_refuses_pages_of_other_sites_without_keys(lines: list[str], status: int | None) -> None:
    def test() -> None:
        client = Client()
        body = orjson.dumps(CONTENT)
        head = ["POST /v1/chat/completions HTTP/1.1", f"content-length: {len(body)}", *lines]
        client.protocol.data_received(("\r\n".join(head) + "\r\n\r\n").encode() + body)
        if status is None:
            assert client.transport.written == b""
            assert len(client.sent) == 1
        else:
            assert client.status() == status
            assert client.body()["error"]["message"]
            assert client.sent == []

    on_loop(test)


# headers of responses


def test_browsers_must_not_guess_the_media_type_of_responses_errors_and_cached_responses() -> None:
    def test() -> None:
        client = Client(cache=True)
        client.authenticate_as(Principal("one", Role.USER, cache=CacheUse.OWN))
        client.post(CONTENT | {"temperature": 0})
        client.respond()
        client.post(CONTENT | {"temperature": 0})
        client.post(b"{")
        client.post(CONTENT)
        client.sent[-1].respond(400)
        heads = client.transport.written.split(b"HTTP/1.1 ")[1:]
        assert [int(head[:3]) for head in heads] == [200, 200, 400, 400]
        assert b"x-novacron-cache: hit" in heads[1]
        assert all(head.count(b"\r\nx-content-type-options: nosniff\r\n") == 1 for head in heads)

    on_loop(test)
