"""A coordinator and workers as real processes on free ports. They serve the tiny model."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai

from tests.fork_server import Forked, start_fork_server
from tests.polling import free_port, wait_until
from tests.tiny_model import MODEL, TINY

HTTP = httpx.Client(timeout=60, trust_env=False)
"""Shared, because making a client takes longer than most requests of tests."""


TOKEN = "of-the-tests"


def answers(url: str, status: int = 200) -> bool:
    """Return whether a GET request gets this status."""
    try:
        return HTTP.get(url, timeout=5).status_code == status
    except httpx.TransportError:
        return False


COORDINATOR = ("novacron_serving.coordinator", "novacron_serving.worker", "tests.serving.scripted_worker")
"""Modules of coordinators and scripted workers, which need no PyTorch."""
WORKER = ("novacron_serving.worker", "novacron_serving.engines.pytorch")


def start(module: str, config: dict[str, Any] | str, folder: Path, **environment: str) -> Forked:
    """Start `python -m novacron_serving.<module> --config FILE`. Its output goes to `<FILE>.log`."""
    path = write_config(module, config, folder)
    server = start_fork_server(*(WORKER if module == "worker" else COORDINATOR))
    with path.with_suffix(".log").open("wb") as log:
        variables = os.environ | {"NOVACRON_CLUSTER_TOKEN": TOKEN} | environment
        return server.start(f"novacron_serving.{module}", ["--config", str(path)], variables, output=log)


def write_config(module: str, config: dict[str, Any] | str, folder: Path) -> Path:
    """Write the configuration of a process, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{time.monotonic_ns()}.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


@dataclass
class Stack:
    """One coordinator with its workers. Ports stay the same over restarts."""

    folder: Path
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    coordinator: Forked | None = None
    workers: dict[str, Forked] = field(default_factory=dict)
    worker_ports: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """Additional environment variables of all processes."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def worker_url(self, worker_id: str) -> str:
        return f"http://127.0.0.1:{self.worker_ports[worker_id]}"

    def start_coordinator(self) -> None:
        self.coordinator = start("coordinator", self.coordinator_config(), self.folder, **self.environment)
        wait_until(lambda: answers(f"{self.url}/health"), "the coordinator is alive")

    def start_workers(self, *worker_ids: str) -> None:
        for worker_id in worker_ids:
            port = self.worker_ports[worker_id] = free_port()
            self.workers[worker_id] = start(
                "worker", self.worker_config(worker_id, port), self.folder, **self.environment
            )
        for worker_id in worker_ids:
            ready = f"{self.worker_url(worker_id)}/ready"
            wait_until(lambda ready=ready: answers(ready), f"{worker_id} is ready")

    def coordinator_config(self) -> dict[str, Any]:
        return {"http_port": self.http_port, "grpc_port": self.grpc_port, "report_interval_s": 0.2}

    def worker_config(self, worker_id: str, port: int) -> dict[str, Any]:
        return {
            "worker_id": worker_id,
            "port": port,
            "coordinator": f"127.0.0.1:{self.grpc_port}",
            "model": {"id": MODEL, "path": str(TINY)},
            "engine": {"kind": "pytorch", "device": "cpu"},
        }

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=60)

    def stop(self) -> None:
        processes = [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


AnyStack = TypeVar("AnyStack", bound=Stack)


@contextlib.contextmanager
def running(made: AnyStack, *worker_ids: str) -> Iterator[AnyStack]:
    """Start a stack with these workers, and stop it afterwards."""
    try:
        made.start_coordinator()
        made.start_workers(*worker_ids)
        yield made
    finally:
        made.stop()
