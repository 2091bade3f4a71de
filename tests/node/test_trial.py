"""The stack `trial` on a real node, from built images to answers out of pods."""

from __future__ import annotations

import re

import pytest

from tests.node.trial import Trial

pytestmark = pytest.mark.node


def test_a_pod_answers_a_chat(trial: Trial) -> None:
    answer = trial.ask()
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert "2 of 2 workers active" in trial.novacron("status")


def test_a_second_up_changes_nothing(trial: Trial) -> None:
    assert re.search(r"done: \d+ unchanged in", trial.novacron("up"))


def test_coordinators_reach_workers_and_workers_do_not_reach_each_other(trial: Trial) -> None:
    coordinator, worker, other = trial.pods("llm-coordinator")[0], *trial.pods("llm-workers")
    code = "import socket, sys; socket.create_connection((sys.argv[1], 9091), 3); print('connected')"
    for source, expected in ((coordinator, "connected"), (worker, "")):
        command = ("exec", "-n", "novacron-llm", source["metadata"]["name"], "--", "python", "-c", code)
        assert trial.node.kubectl(*command, other["status"]["podIP"], check=False).strip() == expected
