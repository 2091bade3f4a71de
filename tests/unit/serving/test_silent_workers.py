"""Workers that die or hang without a packet: what happens to the requests that they have."""

from __future__ import annotations

import json

import pytest
from novacron_serving.coordinator.http.proxy_request import State
from novacron_serving.coordinator.workers.workers import WorkerStatus

from .cluster import Cluster
from .http_client import Client, Sent, on_loop

STREAM = [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")]


def begin_stream(sent: Sent, *events: bytes) -> None:
    sent.receiver.on_headers(200, STREAM)
    for event in events:
        sent.receiver.on_data(event)


def other(worker_id: str) -> str:
    return "b" if worker_id == "a" else "a"


def states(client: Client) -> State:
    return client.protocol.cycle.state


def test_request_that_has_sent_nothing_goes_to_another_worker_when_its_worker_is_lost() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        first = client.sent[0].worker_id
        for _ in range(6):
            client.after(1, other(first))
        assert [one.worker_id for one in client.sent] == [first, other(first)]
        client.respond()
        assert client.status() == 200
        assert (client.scheduler.in_flight, client.scheduler.queued) == (0, 0)
        assert [worker.in_flight for worker in client.cluster.workers.all()] == [0, 0]

    on_loop(test)


def test_head_without_a_byte_of_the_body_is_not_a_response_that_has_begun() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        first = client.sent[0].worker_id
        begin_stream(client.sent[0])
        for _ in range(6):
            client.after(1, other(first))
        assert len(client.sent) == 2
        client.sent[1].respond(body=b'{"from": "the other one"}')
        assert client.body() == {"from": "the other one"}
        assert client.transport.written.count(b"HTTP/1.1") == 1

    on_loop(test)


def test_stream_of_a_lost_worker_ends_with_an_error_event() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        first = client.sent[0].worker_id
        begin_stream(client.sent[0], b"a\r\ndata: {}\n\n\r\n")
        for _ in range(6):
            client.after(1, other(first))
        assert len(client.sent) == 1
        last = client.transport.written.split(b"data: ")[-1].partition(b"\n\n")[0]
        assert json.loads(last)["error"]["code"] == "overloaded"
        assert client.transport.written.endswith(b"0\r\n\r\n")
        assert client.transport.closed
        assert client.scheduler.in_flight == 0

    on_loop(test)


def test_worker_whose_reports_do_not_arrive_but_whose_tokens_do_keeps_its_stream() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        first = client.sent[0].worker_id
        begin_stream(client.sent[0])
        for _ in range(20):
            client.sent[0].receiver.on_data(b"a\r\ndata: {}\n\n\r\n")
            client.after(1, other(first))
        worker = client.cluster.workers.get(first)
        assert worker is not None
        assert client.cluster.workers.status(worker) is WorkerStatus.LOST
        assert not client.transport.closed
        assert states(client) is State.RESPONDING

    on_loop(test)


def test_worker_that_reports_but_hangs_within_a_stream_is_given_up_after_the_idle_limit() -> None:
    def test() -> None:
        client = Client("a", "b", stream_idle_timeout_s=30)
        client.post()
        begin_stream(client.sent[0], b"a\r\ndata: {}\n\n\r\n")
        for _ in range(29):
            client.after(1, "a", "b")
        assert not client.transport.closed
        client.after(2, "a", "b")
        assert client.transport.closed
        assert b'"overloaded"' in client.transport.written

    on_loop(test)


def test_time_in_which_the_client_does_not_read_is_not_silence_of_the_worker() -> None:
    def test() -> None:
        client = Client("a", "b", stream_idle_timeout_s=10)
        client.post()
        begin_stream(client.sent[0], b"a\r\ndata: {}\n\n\r\n")
        client.protocol.pause_writing()
        for _ in range(30):
            client.after(1, "a", "b")
        client.protocol.resume_writing()
        client.after(9, "a", "b")
        assert not client.transport.closed

    on_loop(test)


def test_only_worker_lost_is_a_503_and_not_a_wait_of_two_minutes() -> None:
    def test() -> None:
        client = Client("a")
        client.post()
        for _ in range(6):
            client.after(1)
        assert client.status() == 503
        assert client.body()["error"]["code"] == "overloaded"

    on_loop(test)


@pytest.mark.parametrize("stopped_s", [10, 100])
def test_stop_of_the_coordinator_itself_loses_no_worker(stopped_s: int, cluster: Cluster) -> None:
    worker = cluster.register("a")
    request = cluster.send()
    cluster.clock.advance(stopped_s)
    cluster.workers.excuse(stopped_s)
    cluster.scheduler.tick()
    assert cluster.workers.status(worker) is WorkerStatus.ACTIVE
    assert request.lost == ""


def test_late_response_of_a_worker_that_was_given_up_is_ignored() -> None:
    def test() -> None:
        client = Client("a", "b")
        client.post()
        first = client.sent[0]
        connection = client.connection()
        first.receiver.on_connect(connection)
        for _ in range(6):
            client.after(1, other(first.worker_id))
        assert connection.aborted
        first.receiver.on_error("it closed the connection", reused=True)
        assert len(client.sent) == 2
        client.respond()
        assert client.status() == 200

    on_loop(test)
