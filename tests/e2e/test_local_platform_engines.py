"""One local stack, deployed by the rehearsal engine and by the CLI in turn: each keeps what the other deployed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.rehearsal.pulumi_cli import needs_pulumi

from .conftest import Project

pytestmark = [pytest.mark.pulumi, needs_pulumi, pytest.mark.xdist_group("local platform")]


@pytest.mark.parametrize(("first", "then"), [("rehearsal", "cli"), ("cli", "rehearsal")])
def test_what_one_engine_deployed_the_other_keeps_and_removes(project: Project, first: str, then: str) -> None:
    project.variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def novacron(command: str, engine: str) -> str:
        done = project.run(command, "--engine", engine)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    novacron("up", first)
    pids = {service: project.pid(service) for service in ("coordinator", "worker-0")}
    novacron("up", then)
    assert {service: project.pid(service) for service in pids} == pids
    assert httpx.get(f"{project.url}/ready", timeout=10).status_code == 200
    assert "answers" in novacron("status", then)
    novacron("down", then)
    assert project.services() == []
    status = project.run("status", "--engine", first)
    assert (status.returncode, "is not deployed" in status.stdout) == (1, True)
