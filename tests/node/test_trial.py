"""The stack `trial` on a real node, from built images to answers out of pods."""

from __future__ import annotations

import threading

import httpx
import pytest

from tests.node.trial import Trial

pytestmark = pytest.mark.node


def test_a_pod_answers_a_chat(trial: Trial) -> None:
    answer = trial.ask()
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert "2 of 2 workers active" in trial.novacron("status")


def test_a_second_up_changes_nothing(trial: Trial) -> None:
    assert "28 unchanged" in trial.novacron("up")


def test_no_request_fails_while_coordinators_and_workers_are_replaced(trial: Trial) -> None:
    over = threading.Event()
    failures: list[str] = []
    served = [0]

    def load() -> None:
        while not over.is_set():
            try:
                answer = trial.ask(stream=True)
                complete = answer.status_code == 200 and answer.text.endswith("data: [DONE]\n\n")
                failures.extend([] if complete and '"error"' not in answer.text else [answer.text[-300:]])
            except httpx.HTTPError as error:
                failures.append(repr(error))
            served[0] += 1

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for workload in ("deployment/llm-coordinator", "statefulset/llm-workers"):
        trial.node.kubectl("rollout", "restart", "-n", "novacron-llm", workload)
        trial.node.kubectl("rollout", "status", "-n", "novacron-llm", workload, "--timeout=240s")
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert served[0] > 20


def test_coordinators_reach_workers_and_workers_do_not_reach_each_other(trial: Trial) -> None:
    coordinator, worker, other = trial.pods("llm-coordinator")[0], *trial.pods("llm-workers")
    code = "import socket, sys; socket.create_connection((sys.argv[1], 9091), 3); print('connected')"
    for source, expected in ((coordinator, "connected"), (worker, "")):
        command = ("exec", "-n", "novacron-llm", source["metadata"]["name"], "--", "python", "-c", code)
        assert trial.node.kubectl(*command, other["status"]["podIP"], check=False).strip() == expected
