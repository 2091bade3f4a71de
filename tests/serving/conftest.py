"""A coordinator and workers as real processes on free ports, serving the tiny model; nothing is left running."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import openai
import pytest

from tests.tiny_model import MODEL, TINY

if TYPE_CHECKING:
    from .gateway import Gateway

START_S = 60.0
HTTP = httpx.Client(timeout=60, trust_env=False)
"""One for all: making a client costs more than most requests here."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


TOKEN = "of-the-tests"


def wait_until(true: Callable[[], bool], what: str, limit_s: float = START_S) -> None:
    """Other processes give no event to wait for: ask them until it is so."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.05)


def answers(url: str, status: int = 200) -> bool:
    try:
        return HTTP.get(url, timeout=5).status_code == status
    except httpx.TransportError:
        return False


def start(module: str, config: dict[str, Any] | str, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """`python -m novacron_serving.<module> --config FILE`; its stderr goes to `<FILE>.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{time.monotonic_ns()}.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    with path.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"novacron_serving.{module}", "--config", str(path)],
            env=os.environ | {"NOVACRON_CLUSTER_TOKEN": TOKEN} | environment,
            stderr=log,
            stdout=log,
        )


@dataclass
class Stack:
    """One coordinator with its workers; the ports stay the same over restarts."""

    folder: Path
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    coordinator: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    worker_ports: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """Of its processes, beside what they have in common."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def worker_url(self, worker_id: str) -> str:
        return f"http://127.0.0.1:{self.worker_ports[worker_id]}"

    def start_coordinator(self) -> None:
        self.coordinator = start("coordinator", self.coordinator_config(), self.folder, **self.environment)
        wait_until(lambda: answers(f"{self.url}/health"), "the coordinator lives")

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
    """With these workers; nothing of it is left running."""
    try:
        made.start_coordinator()
        made.start_workers(*worker_ids)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A coordinator and one worker, for tests that leave them as they were."""
    with running(Stack(tmp_path_factory.mktemp("serving")), "worker-0") as made:
        yield made


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[Stack]:
    """One that a test starts, and breaks, by itself."""
    made = Stack(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as made:
        yield made


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two scripted workers behind a coordinator, which a test leaves alive."""
    from .gateway import Gateway  # it needs this module

    made = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        made.start_workers("a", "b")
        yield made
    finally:
        made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Such a coordinator with a test's own configuration, which it may break."""
    from .gateway import Gateway

    made: list[Gateway] = []

    def make(**config: Any) -> Gateway:
        made.append(Gateway(tmp_path / str(len(made)), **config))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.stop()
