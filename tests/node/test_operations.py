"""`status`, `logs` and `drain` of the stack trial on a real node."""

from __future__ import annotations

import json
import time

import pytest

from tests.node.load import Load
from tests.node.trial import NAMESPACE, Trial

pytestmark = pytest.mark.node


def test_status_lists_the_pods_and_logs_show_their_lines(trial: Trial) -> None:
    status = json.loads(trial.novacron("status", "--json"))
    (cluster,) = status["clusters"]
    assert status["healthy"], status["problems"]
    assert sorted(pod["name"].rpartition("-")[0][:11] for pod in cluster["pods"]) == [
        *["llm-coordin"] * 2,
        *["llm-workers"] * 2,
    ]
    assert {(pod["status"], pod["node"]) for pod in cluster["pods"]} == {("ready", "node-1")}
    workers = trial.novacron("logs", "--service", "worker", "-n", "3").splitlines()
    assert {line.split()[0] for line in workers} == {"llm-workers-0", "llm-workers-1"}
    assert trial.novacron("logs", "--service", "coordinator")


def test_a_drain_under_load_fails_no_request(trial: Trial) -> None:
    before = {pod["metadata"]["uid"] for pod in trial.pods("llm-workers")}
    with Load(trial, threads=2) as load:
        shown = trial.novacron("drain", "llm-workers-1", "--timeout", "180")
    assert f"pod {NAMESPACE}/llm-workers-1 is drained" in shown
    assert len(before & {pod["metadata"]["uid"] for pod in trial.pods("llm-workers")}) == 1
    assert load.failures == []
    assert load.served > 5


def test_a_drained_node_that_is_the_only_one_says_what_is_missing(trial: Trial) -> None:
    done = trial.run("drain", "node-1", "--timeout", "15")
    assert done.returncode == 1
    assert "node node-1 gets no new pods" in done.stdout
    assert "was not evicted" in done.stderr or "its replacement is not ready" in done.stderr, done.stderr
    assert trial.run("status").returncode == 1
    trial.novacron("drain", "node-1", "--undo")
    deadline = time.monotonic() + 120
    while trial.run("status").returncode:
        assert time.monotonic() < deadline, trial.run("status").stdout
        time.sleep(2)
