"""A coordinator and scripted workers as processes, for tests of the path between clients and workers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpx

from tests.fork_server import Forked, start_fork_server
from tests.polling import free_port, wait_until

from .scripted_worker import MODEL
from .stack import COORDINATOR, HTTP, TOKEN, answers, start

KEYS = {
    "sk-user": {"name": "user"},
    "sk-admin": {"name": "admin", "role": "admin"},
    "sk-rare": {"name": "rare", "requests_per_minute": 2},
    "sk-first": {"name": "first", "priority": 5},
    "sk-other": {"name": "other"},
    "sk-own-1": {"name": "own-1", "cache": "own"},
    "sk-own-2": {"name": "own-2", "cache": "own"},
    "sk-shared-1": {"name": "shared-1", "cache": "shared"},
    "sk-shared-2": {"name": "shared-2", "cache": "shared"},
}


class Gateway:
    """A coordinator and scripted workers."""

    def __init__(self, folder: Path, *, waits: bool = True, **config: Any) -> None:
        self.folder = folder
        self.http_port, self.grpc_port = free_port(), free_port()
        self.workers: dict[str, Forked] = {}
        self.ports: dict[str, int] = {}
        keys = [{"sha256": hashlib.sha256(key.encode()).hexdigest(), **fields} for key, fields in KEYS.items()]
        self.config = {
            "http_port": self.http_port,
            "grpc_port": self.grpc_port,
            "report_interval_s": 0.2,
            "lost_after_s": 5.0,
            "api_keys": keys,
            "routing": "least_loaded",
        } | config
        self.start(waits=waits)

    def start(self, *, waits: bool = True) -> None:
        self.coordinator: Forked | subprocess.Popen[bytes] = start("coordinator", self.config, self.folder)
        if waits:
            self.wait()

    def wait(self) -> None:
        wait_until(lambda: answers(f"{self.url}/health"), "the coordinator is alive")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start_workers(
        self,
        *worker_ids: str,
        slots: int = 64,
        key: str = "sk-admin",
        also: Sequence[Gateway] = (),
        **environment: str,
    ) -> None:
        """Start workers that register with this coordinator, and with those in `also`."""
        coordinators = ",".join(f"127.0.0.1:{one.grpc_port}" for one in (self, *also))
        for worker_id in worker_ids:
            port = self.ports.setdefault(worker_id, free_port())
            self.workers[worker_id] = start_fork_server(*COORDINATOR).start(
                "tests.serving.scripted_worker",
                [worker_id, str(port), coordinators, str(slots)],
                {"NOVACRON_CLUSTER_TOKEN": TOKEN, "PATH": ""} | environment,
            )
        for worker_id in worker_ids:
            wait_until(lambda worker_id=worker_id: self.status(worker_id, key) == "active", f"{worker_id} is active")

    def status(self, worker_id: str, key: str = "sk-admin") -> str | None:
        workers = self.get("/api/v1/llm/cluster/status", key).json()["workers"]
        return next((worker["status"] for worker in workers if worker["worker_id"] == worker_id), None)

    def get(self, path: str, key: str = "sk-admin") -> httpx.Response:
        return HTTP.get(self.url + path, headers={"authorization": f"Bearer {key}"})

    def seen(self, worker_id: str) -> dict[str, Any]:
        return HTTP.get(f"http://127.0.0.1:{self.ports[worker_id]}/seen").json()

    def ask(self, script: dict[str, Any], *, key: str = "sk-user", **options: Any) -> httpx.Response:
        return HTTP.post(
            f"{self.url}/v1/chat/completions", json=body(script, **options), timeout=60,
            headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    def stream(self, script: dict[str, Any], key: str = "sk-user", **more: str) -> Any:
        headers = {"authorization": f"Bearer {key}"} | more
        return HTTP.stream("POST", f"{self.url}/v1/chat/completions", json=body(script, stream=True), headers=headers,
                            timeout=60)  # fmt: skip

    def metric(self, name: str) -> float:
        lines = HTTP.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split()[0] == name)

    def stop(self) -> None:
        self.coordinator.terminate()
        for worker in self.workers.values():
            worker.kill()
        for process in [*self.workers.values(), self.coordinator]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


MakeGateway: TypeAlias = Callable[..., Gateway]
"""Starts a coordinator with the given configuration."""


def body(script: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": json.dumps(script)}]} | options


def said(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"].split()[0]
