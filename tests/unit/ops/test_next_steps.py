"""The end of the output of `up`: how to use the stack's endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from novacron_ops.commands.up import print_next_steps
from novacron_ops.project import ProjectStack


class Deployed:
    """A backend with the outputs of a deployed stack."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def outputs(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "model": "llama"}


def show(endpoint: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    print_next_steps(ProjectStack(folder, "lab"), cast("Any", Deployed(endpoint)), 12.3)
    printed = capsys.readouterr()
    return " ".join((printed.out + printed.err).split())


def test_an_endpoint_that_this_machine_reaches_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = show("http://127.0.0.1:8080/v1", tmp_path, capsys)
    assert "http://127.0.0.1:8080/v1 answers after 12.3 s" in text
    assert "port-forward" not in text


def test_an_endpoint_inside_a_cluster_is_reached_by_a_forwarded_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = show("http://llm-api.novacron-llm.svc:8080/v1", tmp_path, capsys)
    assert "answers" not in text
    assert "kubectl port-forward -n novacron-llm service/llm-api 8080" in text
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in text
