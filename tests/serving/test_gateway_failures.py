"""What goes wrong at workers, and what stops: clients notice as little as can be."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from typing import Any

import httpx
import pytest

from .conftest import answers, wait_until
from .gateway import Gateway, body, said

pytestmark = pytest.mark.xdist_group("gateway")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_another_worker_answers_what_one_cannot(gateway: Gateway, status: int) -> None:
    for failing, other in (("a", "b"), ("b", "a")):
        assert said(gateway.ask({failing: {"status": status}, "*": {}})) == other


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_the_clients_own_mistake_is_told_once_and_held_against_nobody(gateway: Gateway, status: int) -> None:
    retries = gateway.metric("novacron_retries_total")
    for _ in range(12):
        answer = gateway.ask({"*": {"status": status}})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, "scripted")
    assert gateway.metric("novacron_retries_total") == retries
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_backpressure_is_no_failure(gateway: Gateway) -> None:
    for _ in range(12):
        answer = gateway.ask({"*": {"status": 503}})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_a_worker_that_only_fails_rests_and_comes_back(fresh: Any) -> None:
    gateway = fresh(attempts=1)
    gateway.start_workers("bad")
    wait_until(lambda: gateway.ask({"*": {"status": 500}}).status_code == 503, "it rests", 10)
    wait_until(lambda: gateway.ask({}).status_code == 200, "it is tried again", 10)


def test_a_worker_that_dies_before_its_first_token_costs_nothing(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    assert [said(gateway.ask({"a": {"die": "before"}, "*": {}})) for _ in range(8)] == ["b"] * 8
    assert gateway.workers["a"].wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["middle", "torn"])
def test_a_stream_whose_worker_dies_does_not_look_whole(fresh: Any, how: str) -> None:
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


def test_all_workers_gone_and_back(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    for worker in gateway.workers.values():
        worker.kill()
        worker.wait()
    assert gateway.ask({}).status_code == 503
    wait_until(lambda: answers(f"{gateway.url}/ready", 503), "it is not ready", 10)
    gateway.start_workers("a", "b")
    # One that was killed counts as there again when its rest is over, until it fails again.
    wait_until(lambda: gateway.ask({}).status_code == 200, "it answers again", 10)
    wait_until(lambda: answers(f"{gateway.url}/ready"), "it is ready again", 10)


def test_a_worker_that_never_answers_is_given_up(fresh: Any) -> None:
    gateway = fresh(first_byte_timeout_s=0.5)
    gateway.start_workers("a")
    answer = gateway.ask({"*": {"hang": True}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    wait_until(lambda: gateway.seen("a")["aborted"] == 1, "the worker is told", 5)
    assert gateway.ask({}).status_code == 200


def test_told_to_stop_it_says_not_ready_serves_on_and_finishes_streams(fresh: Any) -> None:
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


def test_workers_come_and_go_under_load_without_a_failed_request(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b", "c")
    stop, statuses = threading.Event(), []

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
        time.sleep(0.3)
        gateway.start_workers(worker_id)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 50
