"""Secrets (cluster token, API keys, passwords) do not appear on command lines, in logs or in responses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_until

from .gateway import Gateway
from .stack import HTTP, TOKEN, start, write_config

pytestmark = pytest.mark.xdist_group("serving")

ADMIN = "sk-admin-of-the-secrets"
PASSWORD = "a-password"


class WithCommandLine(Gateway):
    """A coordinator that is not forked, because a forked process has the command line of its fork server."""

    def start(self, *, waits: bool = True) -> None:
        path = write_config("coordinator", self.config, self.folder)
        with path.with_suffix(".log").open("wb") as log:
            self.coordinator = subprocess.Popen(
                [sys.executable, "-m", "novacron_serving.coordinator", "--config", str(path)],
                env=os.environ | {"NOVACRON_CLUSTER_TOKEN": TOKEN},
                stdout=log,
                stderr=log,
            )
        if waits:
            self.wait()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A coordinator with secrets in its environment and its configuration."""
    monkeypatch.setenv("NOVACRON_ADMIN_KEY", ADMIN)
    made = WithCommandLine(
        tmp_path,
        database_url=f"postgresql://somebody:{PASSWORD}@127.0.0.1:1/none",
        redis_url=f"redis://somebody:{PASSWORD}@127.0.0.1:1/0",
    )
    try:
        yield made
    finally:
        made.stop()


def test_logs_command_lines_and_responses_contain_no_secret(gateway: Gateway) -> None:
    gateway.start_workers("a")
    asked: list[Any] = [
        gateway.ask({}),
        gateway.ask({}, key="sk-wrong-but-a-secret"),
        gateway.ask({"*": {"status": 500}}),
        gateway.ask({"*": {"die": "before"}}),
        HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "x"}, headers={"authorization": f"Bearer {ADMIN}"}),
        *(gateway.get(path, ADMIN) for path in (
            "/ready", "/metrics", "/api/v1/llm/metrics", "/api/v1/llm/cluster/status", "/api/v1/llm/keys", "/nowhere"
        )),
    ]  # fmt: skip
    wait_until(lambda: len(HTTP.get(f"{gateway.url}/ready").json()["degraded"]) == 2, "both outages are reported", 15)
    asked.append(HTTP.get(f"{gateway.url}/ready"))
    lines = [Path(f"/proc/{process.pid}/cmdline").read_bytes().decode() for process in (gateway.coordinator,)]
    gateway.stop()
    logs = [path.read_text() for path in gateway.folder.glob("*.log")]
    assert logs
    assert all("unavailable, continuing with cached data" in log for log in logs)
    for text in [*lines, *logs, *(answer.text for answer in asked), *(str(answer.headers) for answer in asked)]:
        for secret in (ADMIN, PASSWORD, "of-the-tests", "sk-wrong-but-a-secret", "sk-user"):
            assert secret not in text


@pytest.mark.parametrize("config", [
    {"http_port": 0, "cluster_token": PASSWORD},
    {"http_port": 0, "api_keys": [{"key": PASSWORD}]},
    {"database_url": f"postgresql://somebody:{PASSWORD}@127.0.0.1/none", "http_port": "none"},
])  # fmt: skip
def test_error_about_a_configuration_file_does_not_show_secret_values(tmp_path: Path, config: dict[str, Any]) -> None:
    coordinator = start("coordinator", config, tmp_path)
    assert coordinator.wait(30) == 2
    (log,) = tmp_path.glob("*.log")
    assert "configuration" in log.read_text()
    assert PASSWORD not in log.read_text()


@pytest.mark.parametrize("token", ["", "one\n", " one", "größe"])
def test_cluster_token_that_a_header_cannot_carry_is_refused(token: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from novacron_serving.server import cluster_token; cluster_token()"],
        env=os.environ | {"NOVACRON_CLUSTER_TOKEN": token}, capture_output=True, check=False,
    )  # fmt: skip
    assert b"StartError: NOVACRON_CLUSTER_TOKEN" in done.stderr
