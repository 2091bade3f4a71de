"""Retries: which failures of a worker are retried on another one, and what the client sees."""

from __future__ import annotations

import json

import pytest
from novacron_serving.coordinator.workers.workers import WorkerStatus

from .http_client import Client, on_loop


def status_of(client: Client, worker_id: str) -> WorkerStatus:
    worker = client.cluster.workers.get(worker_id)
    assert worker is not None
    return client.cluster.workers.status(worker)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_error_of_a_worker_is_retried_on_another_one(status: int) -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        client.sent[0].respond(status)
        assert client.transport.written == b""
        client.sent[1].respond(body=b"{}")
        assert client.status() == 200
        assert {one.worker_id for one in client.sent} == {"a", "b"}
        assert client.scheduler.in_flight == 0

    on_loop(test)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_client_gets_the_error_of_the_last_attempt(status: int) -> None:
    def test() -> None:
        client = Client("a", "b", "c", attempts=2)
        client.post()
        client.sent[0].respond(500)
        client.sent[1].respond(status)
        assert len(client.sent) == 2
        assert client.status() == status
        assert client.body()["error"]["type"] == "server_error"
        assert (b"retry-after" in client.transport.written) is (status != 500)

    on_loop(test)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_client_error_is_passed_through(status: int) -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        client.sent[0].respond(status, b'{"error": "from the worker"}')
        assert len(client.sent) == 1
        assert (client.status(), client.body()) == (status, {"error": "from the worker"})

    on_loop(test)


def test_worker_that_drops_a_connection_is_ejected_and_the_request_retried() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        client.sent[0].receiver.on_error("it closed the connection", reused=False)
        assert status_of(client, client.sent[0].worker_id) is WorkerStatus.FAILED
        client.sent[1].respond()
        assert client.status() == 200

    on_loop(test)


def test_idle_connection_that_the_worker_has_closed_is_replaced_without_ejection() -> None:
    def test() -> None:
        client = Client("a")
        client.post()
        client.sent[0].receiver.on_error("it closed the connection", reused=True)
        assert [(one.worker_id, one.new_connection) for one in client.sent] == [("a", False), ("a", True)]
        assert status_of(client, "a") is WorkerStatus.ACTIVE
        client.sent[1].respond()
        assert client.status() == 200

    on_loop(test)


@pytest.mark.parametrize("complete_event", [True, False])
def test_stream_that_breaks_after_its_first_byte_is_not_retried(complete_event: bool) -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        receiver = client.sent[0].receiver
        receiver.on_headers(200, [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")])
        receiver.on_data(b"a\r\ndata: {}\n\n\r\n" if complete_event else b"a\r\ndata: ")
        receiver.on_error("it closed the connection", reused=False)
        assert len(client.sent) == 1
        assert client.transport.closed
        assert b"[DONE]" not in client.transport.written
        if complete_event:
            last = client.transport.written.split(b"data: ")[-1].partition(b"\n\n")[0]
            assert json.loads(last)["error"]["code"] == "overloaded"
            assert client.transport.written.endswith(b"0\r\n\r\n")
        assert client.scheduler.in_flight == 0

    on_loop(test)


def test_five_errors_in_a_row_eject_a_worker_but_backpressure_does_not() -> None:
    def test() -> None:
        client = Client("a", attempts=1)
        for _ in range(10):
            client.post()
            client.sent[-1].respond(503)
        assert status_of(client, "a") is WorkerStatus.ACTIVE
        for _ in range(5):
            client.post()
            client.sent[-1].respond(500)
        assert status_of(client, "a") is WorkerStatus.FAILED

    on_loop(test)
