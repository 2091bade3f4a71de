"""Queueing and admission: the order of queued requests, timeouts and limits."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys

import pytest

from tests.fork_server import ROOT
from tests.polling import wait_until

from .gateway import MakeGateway, said

pytestmark = pytest.mark.xdist_group("gateway")


def test_queued_requests_are_served_by_priority_then_each_api_key_in_turn(fresh: MakeGateway) -> None:
    gateway = fresh(worker_queue=0)
    gateway.start_workers("a", slots=1)
    order: list[str] = []

    def ask(name: str, key: str) -> None:
        said(gateway.ask({"*": {"every_s": 0.02}}, key=key))
        order.append(name)

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        gateway_busy = threads.submit(gateway.ask, {"*": {"every_s": 1}})
        wait_until(lambda: gateway.metric("trtllm_num_requests_running") == 1, "one request is running", 5)
        asked = [("u1", "sk-user"), ("u2", "sk-user"), ("u3", "sk-user"), ("o1", "sk-other"), ("f1", "sk-first")]
        for at, (name, key) in enumerate(asked, 1):
            threads.submit(ask, name, key)
            wait_until(lambda at=at: gateway.metric("trtllm_num_requests_waiting") == at, "the request is queued", 5)
        assert gateway_busy.result().status_code == 200
    assert order == ["f1", "u1", "o1", "u2", "u3"]


def test_request_that_waits_too_long_in_the_queue_is_503(fresh: MakeGateway) -> None:
    gateway = fresh(worker_queue=0, queue_timeout_s=0.3)
    gateway.start_workers("a", slots=1)
    with gateway.stream({"*": {"chunks": 20, "every_s": 0.1}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        late = gateway.ask({})
        assert (late.status_code, late.json()["error"]["code"]) == (503, "overloaded")
        assert "data: [DONE]" in list(lines)


def test_request_beyond_max_requests_is_429(fresh: MakeGateway) -> None:
    gateway = fresh(worker_queue=0, max_requests=2)
    gateway.start_workers("a", slots=1)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        first = [threads.submit(gateway.ask, {"*": {"every_s": 0.1}}) for _ in range(2)]
        wait_until(lambda: gateway.metric("trtllm_num_requests_waiting") == 1, "one runs and one waits", 5)
        assert gateway.ask({}).status_code == 429
        assert [one.result().status_code for one in first] == [200, 200]


def test_a_thousand_concurrent_streams_are_complete(fresh: MakeGateway) -> None:
    gateway = fresh(max_requests=2000)
    gateway.start_workers("a", "b", slots=1000)
    command = [sys.executable, "-m", "tests.serving.many_streams", str(gateway.http_port), "sk-user", "1000"]
    done = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120).stdout)
    assert done == {"whole": 1000, "failed": 0}
