"""Requests while pods are replaced, evicted and killed.

NOVACRON_TEST_REQUESTS is the number of requests (20). `make test-node-load` sends 100,000, which takes half an hour.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.node.load import Load
from tests.node.trial import BODY, LONG_STREAM, NAMESPACE, Trial

pytestmark = pytest.mark.node

REQUESTS = int(os.environ.get("NOVACRON_TEST_REQUESTS", "20"))
WORKLOADS = ("deployment/llm-coordinator", "statefulset/llm-workers")
REQUESTS_PER_ROUND = 20_000
"""After each of these rounds, the pods are replaced and evicted again."""
TIMEOUT_S = 240
STREAMS = 4


def wait_until_available(trial: Trial) -> None:
    for workload in WORKLOADS:
        trial.node.kubectl("rollout", "status", "-n", NAMESPACE, workload, f"--timeout={TIMEOUT_S}s")


def evict(trial: Trial, pod: str) -> int:
    """Evict a pod as a drain of its node does. Returns how often the disruption budget refused it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    deadline, refused = time.monotonic() + TIMEOUT_S, 0
    while not trial.node.kubectl("create", "--raw", path, "-f", "-", given=body, check=False):
        assert time.monotonic() < deadline, f"{pod} cannot be evicted"
        refused += 1
        time.sleep(1)
    return refused


def replace_and_evict(trial: Trial) -> None:
    """Replace the pods of both workloads, and then evict each of them."""
    for workload in WORKLOADS:
        trial.node.kubectl("rollout", "restart", "-n", NAMESPACE, workload)
        wait_until_available(trial)
    pods = [pod["metadata"]["name"] for name in ("llm-coordinator", "llm-workers") for pod in trial.pods(name)]
    refused = sum(evict(trial, pod) for pod in pods)
    wait_until_available(trial)
    assert refused, "the budgets let one pod of each workload go at a time"


def test_no_request_fails_while_pods_are_replaced_and_evicted(trial: Trial) -> None:
    rounds = max(1, REQUESTS // REQUESTS_PER_ROUND)
    with Load(trial, threads=2 if REQUESTS < 1000 else 8) as load:
        for number in range(1, rounds + 1):
            replace_and_evict(trial)
            while load.served < REQUESTS * number // rounds and not load.failures:
                time.sleep(1)
            if load.failures:
                break
    assert load.failures == []
    assert load.served >= REQUESTS


def find_processes(pod: dict[str, Any]) -> list[int]:
    """Return the processes of a worker's pod, as this machine numbers them."""
    marks = {f"NOVACRON_WORKER_ID={pod['metadata']['name']}", f"NOVACRON_HOST={pod['status']['podIP']}"}
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended
            if marks <= set(file.read_text(errors="replace").split("\0")):
                found.append(int(file.parent.name))
    return found


class Stream:
    """A stream of a coordinator, which a thread reads."""

    def __init__(self, coordinator: httpx.Client, prompt: str) -> None:
        self.lines: list[str] = []
        self._body = {**BODY, **LONG_STREAM, "messages": [{"role": "user", "content": prompt}]}
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(coordinator,))
        self._thread.start()
        assert self._began.wait(30)

    def _read(self, coordinator: httpx.Client) -> None:
        with coordinator.stream("POST", "/v1/chat/completions", json=self._body) as response:
            for line in response.iter_lines():
                self.lines.append(line)
                self._began.set()

    def find_error(self) -> str:
        """Wait for the end. Returns the message of the error that it ends with; empty if it is complete."""
        self._thread.join()
        last = json.loads(next(line for line in reversed(self.lines) if line.startswith("data: {"))[len("data: ") :])
        if "error" in last:
            return last["error"]["message"]
        assert "data: [DONE]" in self.lines, "it has neither an end nor an error"
        return ""


def count_in_flight(coordinator: httpx.Client) -> Counter[str]:
    """Return the number of requests that a coordinator has in flight at each worker that it can use."""
    workers = coordinator.get("/api/v1/llm/cluster/status").raise_for_status().json()["workers"]
    return Counter({one["worker_id"]: one["requests_in_flight"] for one in workers if one["status"] == "active"})


def wait_until_it_has_all_workers(coordinator: httpx.Client) -> None:
    """A worker registers with a new coordinator once it resolves its address, which a DNS cache may delay."""
    deadline = time.monotonic() + TIMEOUT_S
    while len(count_in_flight(coordinator)) < 2:
        assert time.monotonic() < deadline, "a worker has not registered"
        time.sleep(0.5)


def test_a_killed_worker_cuts_only_its_own_streams_and_each_ends_with_an_error(trial: Trial) -> None:
    victim = trial.pods("llm-workers")[0]
    killed, processes = victim["metadata"]["name"], find_processes(victim)
    assert processes
    with ExitStack() as forwarded:
        coordinators = [
            forwarded.enter_context(trial.forward(pod["metadata"]["name"])) for pod in trial.pods("llm-coordinator")
        ]
        for coordinator in coordinators:
            wait_until_it_has_all_workers(coordinator)
        streams: list[tuple[str, Stream]] = []
        while len({worker for worker, _ in streams}) < 2 or len(streams) < STREAMS:
            assert len(streams) < 4 * STREAMS, "every prompt goes to the same worker"
            before = count_in_flight(coordinators[0])
            stream = Stream(coordinators[0], f"Count from {len(streams)} to 100.")
            (worker,) = count_in_flight(coordinators[0]) - before
            streams.append((worker, stream))
        with Load(trial, threads=2) as load:
            for process in processes:
                os.kill(process, signal.SIGKILL)
            errors = [(worker, stream.find_error()) for worker, stream in streams]
    assert [worker for worker, error in errors if error] == [worker for worker, _ in errors if worker == killed]
    wait_until_available(trial)
    # Requests without a first token go to the other worker. Streams that had begun end with an error.
    assert [failure for failure in load.failures if not failure.startswith("200 ") or '"error"' not in failure] == []
