"""`novacron status`: everything that is wrong with a stack is named, and ends with exit status 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_ops import backends, coordinator, local_processes
from novacron_ops.coordinator import CoordinatorReport, ask_coordinator
from novacron_ops.local_processes import LocalService

from tests.unit.ops.running import novacron
from tests.unit.ops.schemas import check_output

ENDPOINT = "http://127.0.0.1:8080/v1"
READY = {"ready": True, "draining": False, "active_workers": 2, "minimum_workers": 2, "degraded": {}}
OUTPUTS = {"endpoint": ENDPOINT, "model": "novacron-tiny"}


def service(name: str, status: str = "ready") -> LocalService:
    return LocalService(name, status, pid=7 if status == "ready" else None, restarts=0, up_s=None)


SERVICES = [service("coordinator"), service("worker-0"), service("worker-1")]


def server(ready: object, total: int = 2, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    """A coordinator whose `/ready` and cluster status have these answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ready":
            return httpx.Response(200 if isinstance(ready, dict) and ready.get("ready") else 503, json=ready)
        assert request.url.path == "/api/v1/llm/cluster/status"
        return httpx.Response(status, json={"cluster": {"total_workers": total, "active_workers": 2}, "workers": []})

    return answer


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def report(answer: Callable[[httpx.Request], httpx.Response], key: str | None = None) -> CoordinatorReport | str:
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return ask_coordinator(ENDPOINT, key, client)


class Site:
    """A local stack as the command finds it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def set(
        self,
        outputs: dict[str, Any],
        services: list[LocalService],
        answer: Callable[[httpx.Request], httpx.Response] = unreachable,
    ) -> None:
        class State:
            def outputs(self) -> dict[str, Any]:
                return outputs

            def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
                assert show_secrets
                return {}

        self._patch.setattr(backends, "open_backend", lambda *_: State())
        self._patch.setattr(local_processes, "list_services", lambda *_: services)
        self._patch.setattr(coordinator, "ask_coordinator", lambda *_: report(answer))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text("config: {novacron:environment: {platform: local}}\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {novacron:environment: {platform: aws}}\n")
    monkeypatch.chdir(tmp_path)
    return Site(monkeypatch)


def test_a_healthy_stack_ends_with_0(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.set(OUTPUTS, SERVICES, server(READY))
    assert novacron("status") == 0
    output = capsys.readouterr().out
    assert f"endpoint: {ENDPOINT} (answers, 2 of 2 workers active)" in output
    assert "problem" not in output
    assert novacron("status", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    check_output("status", values)
    assert (values["healthy"], values["problems"]) == (True, [])
    assert values["ready"] == READY
    assert values["cluster"]["cluster"]["total_workers"] == 2


UNHEALTHY: dict[str, tuple[dict[str, Any], list[LocalService], Callable[[httpx.Request], httpx.Response], str]] = {
    "not deployed": ({}, [], unreachable, "stack local is not deployed; `novacron up -s local` deploys it"),
    "state but no processes": (OUTPUTS, [], unreachable, "no processes are running; `novacron up -s local` starts"),
    "endpoint does not answer": (OUTPUTS, SERVICES, unreachable, f"{ENDPOINT} does not answer: connection refused"),
    "another server": (
        OUTPUTS,
        SERVICES,
        lambda _: httpx.Response(200, text="<html>"),
        f"{ENDPOINT} is not answered by a NovaCron coordinator",
    ),
    "degraded database": (
        OUTPUTS,
        SERVICES,
        server({**READY, "degraded": {"database": "file is not a database"}}),
        "the coordinator's database is unavailable: file is not a database",
    ),
    "fewer workers than configured": (OUTPUTS, SERVICES, server({**READY, "active_workers": 1}, 1), "1 of 2 workers"),
    "a worker that hangs": (OUTPUTS, SERVICES, server(READY, total=3), "2 of 3 workers are active"),
    "0 of 0 workers": (
        OUTPUTS,
        SERVICES,
        server({**READY, "active_workers": 0, "minimum_workers": 0}, 0),
        "no workers have registered with the coordinator",
    ),
    "draining": (OUTPUTS, SERVICES, server({**READY, "ready": False, "draining": True}), "is draining and accepts no"),
    "not ready": (OUTPUTS, SERVICES, server({**READY, "ready": False}), "the coordinator reports that it is not ready"),
    "key rejected": (OUTPUTS, SERVICES, server(READY, status=401), "rejects the API key of this stack with 401"),
    "cluster status fails": (OUTPUTS, SERVICES, server(READY, status=500), "status (HTTP status 500)"),
    "a process that failed": (
        OUTPUTS,
        [*SERVICES, service("worker-2", "failed")],
        server(READY),
        "worker-2 is failed; see `novacron logs -s local --service worker-2`",
    ),
    "interrupted deployment": (
        {"model": "novacron-tiny"},
        SERVICES,
        unreachable,
        "the last deployment has not finished; unless one is running now, `novacron up -s local` continues it",
    ),
}


@pytest.mark.parametrize("situation", UNHEALTHY)
def test_an_unhealthy_stack_ends_with_1_and_names_the_reason(
    site: Site, capsys: pytest.CaptureFixture[str], situation: str
) -> None:
    outputs, services, answer, reason = UNHEALTHY[situation]
    site.set(outputs, services, answer)
    assert novacron("status") == 1
    output = capsys.readouterr().out
    assert reason in output
    assert "None" not in output
    assert novacron("status", "--json") == 1
    values = json.loads(capsys.readouterr().out)
    check_output("status", values)
    assert values["healthy"] is False


def test_a_cloud_stack_whose_endpoint_does_not_answer_ends_with_1(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set({"endpoint": "https://api.novacron.ai", "regions": {}}, [])
    assert novacron("status", "-s", "prod") == 1
    output = capsys.readouterr().out
    assert "does not answer: connection refused" in output
    assert "processes" not in output
    assert "process " not in output


def test_a_cloud_stack_without_an_endpoint_ends_with_1(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.set({"regions": {}}, [])
    assert novacron("status", "-s", "prod") == 1
    assert "the stack has no `endpoint` output to check" in capsys.readouterr().out


def test_the_coordinator_is_asked_with_the_stacks_key_for_its_workers_only() -> None:
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.path] = request.headers.get("authorization")
        return server(READY)(request)

    assert isinstance(report(answer, key="nc-1"), CoordinatorReport)
    assert seen == {"/ready": None, "/api/v1/llm/cluster/status": "Bearer nc-1"}


def test_an_endpoint_that_is_not_a_url_is_a_reason_and_not_a_traceback() -> None:
    with httpx.Client() as client:
        assert "is not a URL" in str(ask_coordinator("http://127.0.0.1:port/v1", None, client))
