"""Failing workers, retries, ejection and graceful shutdown."""

from __future__ import annotations

import contextlib
import json
import signal
import threading

import httpx
import pytest

from tests.polling import wait_until

from .gateway import Gateway, MakeGateway, body, said
from .stack import HTTP, answers

pytestmark = pytest.mark.xdist_group("gateway")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_request_is_retried_on_another_worker(gateway: Gateway, status: int) -> None:
    for failing, other in (("a", "b"), ("b", "a")):
        assert said(gateway.ask({failing: {"status": status}, "*": {}})) == other


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_client_error_is_passed_through_without_retry_or_ejection(gateway: Gateway, status: int) -> None:
    retries = gateway.metric("novacron_retries_total")
    for _ in range(12):
        answer = gateway.ask({"*": {"status": status}})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, "scripted")
    assert gateway.metric("novacron_retries_total") == retries
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_backpressure_does_not_eject_workers(gateway: Gateway) -> None:
    for _ in range(12):
        answer = gateway.ask({"*": {"status": 503}})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_failing_worker_is_ejected_and_comes_back(fresh: MakeGateway) -> None:
    gateway = fresh(attempts=1)
    gateway.start_workers("bad")
    wait_until(lambda: gateway.ask({"*": {"status": 500}}).status_code == 503, "it is ejected", 10)
    wait_until(lambda: gateway.ask({}).status_code == 200, "it is tried again", 10)


def test_worker_that_dies_before_its_first_token_fails_no_request(fresh: MakeGateway) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    assert [said(gateway.ask({"a": {"die": "before"}, "*": {}})) for _ in range(8)] == ["b"] * 8
    assert gateway.workers["a"].wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["middle", "torn"])
def test_stream_of_a_dying_worker_ends_without_done(fresh: MakeGateway, how: str) -> None:
    gateway = fresh()
    gateway.start_workers("a")
    lines: list[str] = []
    with contextlib.suppress(httpx.RemoteProtocolError), gateway.stream({"*": {"die": how}}) as answer:
        lines.extend(answer.iter_lines())
    assert "data: [DONE]" not in lines
    if how == "middle":
        assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "overloaded"
    gateway.start_workers("a")
    wait_until(lambda: gateway.ask({}).status_code == 200, "it comes back", 10)


def test_coordinator_recovers_when_all_workers_die_and_restart(fresh: MakeGateway) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    for worker in gateway.workers.values():
        worker.kill()
        worker.wait()
    assert gateway.ask({}).status_code == 503
    wait_until(lambda: "workers" in HTTP.get(f"{gateway.url}/ready").json()["degraded"], "it is degraded", 10)
    gateway.start_workers("a", "b")
    # A killed worker counts as active again when its ejection ends, until it fails again.
    wait_until(lambda: gateway.ask({}).status_code == 200, "requests succeed again", 10)
    wait_until(lambda: HTTP.get(f"{gateway.url}/ready").json()["degraded"] == {}, "it is not degraded", 10)


def test_a_coordinator_that_once_had_enough_workers_stays_ready_when_one_is_lost(fresh: MakeGateway) -> None:
    gateway = fresh(minimum_workers=2)
    gateway.start_workers("a")
    assert answers(f"{gateway.url}/ready", 503), "a new coordinator waits for the minimum"
    gateway.start_workers("b")
    wait_until(lambda: answers(f"{gateway.url}/ready"), "it is ready", 10)
    gateway.workers["b"].kill()
    wait_until(lambda: HTTP.get(f"{gateway.url}/ready").json()["active_workers"] == 1, "the loss is noticed", 10)
    ready = HTTP.get(f"{gateway.url}/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert ready.json()["degraded"] == {"workers": "1 of at least 2 are active"}
    assert "novacron_workers_minimum 2.0" in HTTP.get(f"{gateway.url}/metrics").text
    assert gateway.ask({}).status_code == 200


def test_a_new_coordinator_that_waited_long_enough_for_workers_is_ready_without_them(fresh: MakeGateway) -> None:
    gateway = fresh(minimum_workers=1, workers_timeout_s=1.5)
    assert answers(f"{gateway.url}/ready", 503), "it waits for a worker"
    wait_until(lambda: answers(f"{gateway.url}/ready"), "it is ready", 10)
    assert HTTP.get(f"{gateway.url}/ready").json()["degraded"] == {"workers": "0 of at least 1 are active"}
    refused = gateway.ask({})
    assert refused.status_code == 503
    assert "retry-after" in refused.headers


def test_worker_without_a_response_times_out_with_504(fresh: MakeGateway) -> None:
    gateway = fresh(first_byte_timeout_s=0.5)
    gateway.start_workers("a")
    answer = gateway.ask({"*": {"hang": True}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    wait_until(lambda: gateway.seen("a")["aborted"] == 1, "the worker aborts the request", 5)
    assert gateway.ask({}).status_code == 200


def test_sigterm_makes_ready_503_while_requests_are_served_and_streams_finish(fresh: MakeGateway) -> None:
    gateway = fresh(drain_notice_s=1.5)
    gateway.start_workers("a")
    with gateway.stream({"*": {"chunks": 30, "every_s": 0.1}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        gateway.coordinator.terminate()
        wait_until(lambda: answers(f"{gateway.url}/ready", 503), "it is not ready", 1)
        late = gateway.ask({})
        assert late.status_code == 200, "load balancers may not have noticed yet"
        assert late.headers["connection"] == "close"
        assert "data: [DONE]" in list(lines)
    assert gateway.coordinator.wait(10) == 0


def test_no_request_fails_while_workers_are_killed_and_restarted_under_load(fresh: MakeGateway) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b", "c")
    stop = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(timeout=30, headers={"authorization": "Bearer sk-user"}) as client:
            while not stop.is_set():
                answer = client.post(f"{gateway.url}/v1/chat/completions", json=body({"*": {"every_s": 0.005}}))
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for worker_id in ("a", "b", "c"):
        gateway.workers[worker_id].kill()
        gateway.workers[worker_id].wait()
        sent = len(statuses)
        wait_until(lambda sent=sent: len(statuses) > sent + 10, "the other workers serve the load", 30)
        gateway.start_workers(worker_id)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 50
