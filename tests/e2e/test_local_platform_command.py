"""The `novacron` command on a real local stack: up, a chat, changes, dead processes, down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.polling import wait_until

from .conftest import Project

pytestmark = pytest.mark.xdist_group("local platform")


def ready(project: Project) -> dict[str, object]:
    return httpx.get(f"{project.url}/ready", timeout=10).json()


def test_a_local_stack_from_up_to_down(project: Project) -> None:
    # Nothing here goes through a proxy.
    project.variables |= dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy"), "http://127.0.0.1:1")
    output = project.succeed("up")
    assert ready(project)["active_workers"] == 1
    assert f"curl {project.url}/v1/chat/completions" in output
    question = {"model": "novacron-tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx.post(f"{project.url}/v1/chat/completions", json=question, timeout=30).json()
    assert answer["choices"][0]["message"]["content"]
    assert "worker-0 " in project.succeed("status")
    assert "worker INFO loaded novacron-tiny" in project.run("logs").stdout

    assert "set coordinator.api_keys: true in Pulumi.local.yaml" in project.fail("key")

    pids = {service: project.pid(service) for service in ("coordinator", "worker-0")}
    assert "7 unchanged" in project.succeed("up")
    assert {service: project.pid(service) for service in pids} == pids

    project.describe(coordinator={"http_port": project.port + 3})
    project.succeed("up")
    assert project.pid("worker-0") == pids["worker-0"]
    assert project.pid("coordinator") != pids["coordinator"]
    project.port, old_url = project.port + 3, project.url
    # The worker has registered with the new coordinator without a restart.
    assert ready(project) == {
        "ready": True,
        "draining": False,
        "active_workers": 1,
        "minimum_workers": 1,
        "degraded": {},
    }
    with pytest.raises(httpx.ConnectError):
        httpx.get(old_url)

    os.kill(project.pid("worker-0"), signal.SIGSTOP)
    wait_until(lambda: ready(project)["active_workers"] == 0, "the coordinator misses the worker that hangs")
    hanging = project.run("status", "--engine", "rehearsal")
    assert (hanging.returncode, "0 of 1 workers active" in hanging.stdout) == (1, True)
    os.kill(project.pid("worker-0"), signal.SIGCONT)
    wait_until(lambda: ready(project)["active_workers"] == 1, "it is back")

    supervisor = next(
        p for p in project.processes() if "supervisor" in str(p.cmdline()) and "worker-0" in str(p.cmdline())
    )
    supervisor.kill()
    wait_until(lambda: len(project.services()) == 2, "its worker ends with it")
    assert project.run("status", "--engine", "rehearsal").returncode == 1
    project.succeed("up")
    project.succeed("status")

    os.kill(project.pid("coordinator"), signal.SIGKILL)
    project.succeed("up")
    assert ready(project)["active_workers"] == 1

    project.succeed("down")
    assert project.services() == []
    assert not project.run_dir.exists()
    assert "nothing to do" in project.succeed("down")


def test_commands_on_a_stack_that_was_never_deployed(project: Project) -> None:
    assert "is not deployed; `novacron up -s local` deploys it" in project.fail("key")
    assert "is not deployed; `novacron up -s local` deploys it" in project.fail("status")
    assert "it is not deployed; `novacron up -s local` deploys it" in project.run("logs").stdout
    assert "nothing to do" in project.succeed("down")


def test_bad_input_exits_with_status_2_and_a_fix(project: Project, tmp_path: Path) -> None:
    done = project.run("up", "--stack", "nowhere")
    assert done.returncode == 2
    assert "there is no Pulumi.nowhere.yaml; stacks here: local" in done.stderr
    assert project.run("up", "--no-such-option").returncode == 2
    (tmp_path / "Pulumi.yaml").rename(tmp_path / "elsewhere.yaml")
    assert "run the command in the project's folder" in project.run("up").stderr
    (tmp_path / "elsewhere.yaml").rename(tmp_path / "Pulumi.yaml")
