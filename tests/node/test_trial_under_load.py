"""Requests while pods are replaced, evicted and killed.

NOVACRON_TEST_REQUESTS is the number of requests (20). `make test-node-load` sends 100,000, which takes an hour.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.node.load import Load
from tests.node.trial import NAMESPACE, Trial

pytestmark = pytest.mark.node

REQUESTS = int(os.environ.get("NOVACRON_TEST_REQUESTS", "20"))
WORKLOADS = ("deployment/llm-coordinator", "statefulset/llm-workers")
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


def test_no_request_fails_while_pods_are_replaced_and_evicted(trial: Trial) -> None:
    with Load(trial, threads=2 if REQUESTS < 1000 else 8) as load:
        while True:
            for workload in WORKLOADS:
                trial.node.kubectl("rollout", "restart", "-n", NAMESPACE, workload)
                wait_until_available(trial)
            pods = [pod["metadata"]["name"] for name in ("llm-coordinator", "llm-workers") for pod in trial.pods(name)]
            refused = sum(evict(trial, pod) for pod in pods)
            wait_until_available(trial)
            assert refused, "the budgets let one pod of each workload go at a time"
            if load.served >= REQUESTS or load.failures:
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


def test_a_killed_worker_cuts_only_its_own_streams_and_each_ends_with_an_error(trial: Trial) -> None:
    texts, began = [""] * STREAMS, [threading.Event() for _ in range(STREAMS)]

    def read(index: int) -> None:
        with trial.open_stream(messages=[{"role": "user", "content": f"Count from {index} to 100."}]) as lines:
            for line in lines:
                texts[index] += f"{line}\n"
                began[index].set()

    processes = find_processes(trial.pods("llm-workers")[0])
    assert processes
    streams = [threading.Thread(target=read, args=(index,)) for index in range(STREAMS)]
    for stream in streams:
        stream.start()
    for event in began:
        assert event.wait(30)
    with Load(trial, threads=2) as load:
        for process in processes:
            os.kill(process, signal.SIGKILL)
        for stream in streams:
            stream.join()
    cut = [text for text in texts if "data: [DONE]" not in text or '"error"' in text]
    for text in cut:
        event = next(line for line in reversed(text.splitlines()) if line.startswith("data: {"))
        assert json.loads(event.removeprefix("data: "))["error"]["message"]
    assert 0 < len(cut) < STREAMS, "only streams of the killed worker are cut"
    wait_until_available(trial)
    # Requests without a first token go to the other worker. Streams that had begun end with an error.
    assert [failure for failure in load.failures if not failure.startswith("200 ") or '"error"' not in failure] == []
