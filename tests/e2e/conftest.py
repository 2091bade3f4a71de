"""A copy of the project's program with ports of its own, and the processes that belong to it; nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.fork_server import start_fork_server

ROOT = Path(__file__).parents[2]
MARK = "NOVACRON_TEST_PROJECT"
COMMAND = [sys.executable, "-c", "from novacron_ops.entry import main; main()"]
LIBRARIES = (
    "novacron_infra.config",
    "novacron_infra.local",
    "novacron_rehearsal.engine",
    "novacron_rehearsal.providers",
    "novacron_rehearsal.workspace",
    "rich.console",
    "typer",
)
"""Modules of the command that do not depend on its environment."""
LIMIT_S = 150

RESERVED = contextlib.ExitStack()


def free_ports(count: int) -> int:
    """Return the first of `count` free ports in a row, below the range from which the system assigns ports.

    A UDP socket of this process reserves each of them: no other run of the tests picks a port before it is in use.
    """
    for first in range(20000 + os.getpid() % 1000 * 10, 32000, count):
        with contextlib.ExitStack() as free, contextlib.ExitStack() as mine, contextlib.suppress(OSError):
            for port in range(first, first + count):
                free.enter_context(socket.socket()).bind(("127.0.0.1", port))
                mine.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            RESERVED.push(mine.pop_all())
            return first
    raise AssertionError("no free ports")


@dataclass
class Project:
    """A folder with the program in it. Commands that run in it carry a mark in their environment."""

    folder: Path
    workers: int = 1
    port: int = field(default_factory=lambda: free_ports(5))
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copy(ROOT / "__main__.py", self.folder)
        description = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        # The environment that runs the tests has all that the copy needs: .venv is the repository's alone.
        del description["plugins"]
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump({**description, "runtime": {"name": "python"}}))
        self.describe()

    def use_light_workers(self) -> None:
        """Start workers without PyTorch. They answer no prompts."""
        self.variables["PYTHONPATH"] = str(Path(__file__).parent / "without_pytorch")

    def describe(self, **sections: dict[str, Any]) -> None:
        """Write the stack's configuration: the ports, with `sections` merged over them."""
        environment: dict[str, Any] = {
            "platform": "local",
            "coordinator": {"http_port": self.port, "grpc_port": self.port + 1},
            "workers": {"count": self.workers, "base_port": self.port + 2},
        }
        for name, values in sections.items():
            environment[name] = environment.get(name, {}) | values
        text = yaml.safe_dump({"config": {"novacron:environment": environment}})
        (self.folder / "Pulumi.local.yaml").write_text(text)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def run_dir(self) -> Path:
        return self.folder / ".novacron" / "run" / "local"

    @property
    def output(self) -> Path:
        return self.folder / "output.txt"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "200", MARK: self.mark, **self.variables}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `novacron <arguments>` as a terminal does, in its own process group. It writes to `output`."""
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [*COMMAND, *arguments, "--engine", "rehearsal"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `novacron <arguments>` to its end, in a process of the fork server."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = start_fork_server(*LIBRARIES).start(
                "tests.e2e.command",
                arguments,
                self.environment,
                output=output,
                errors=errors,
                folder=self.folder,
            )
            try:
                status = process.wait(LIMIT_S)
            finally:
                process.kill()
            texts = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode() for file in (output, errors)]
        return subprocess.CompletedProcess(arguments, status, *texts)

    def succeed(self, *arguments: str) -> str:
        """Run `novacron <arguments>` with the engine of this repository. Return its output; fail if it fails."""
        done = self.run(*arguments, "--engine", "rehearsal")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, *arguments: str) -> str:
        """Run a command that must fail, with an explanation and without a traceback. Return its output."""
        done = self.run(*arguments, "--engine", "rehearsal")
        output = done.stdout + done.stderr
        assert done.returncode == 1, output
        assert "Traceback" not in output
        return output

    def processes(self) -> list[psutil.Process]:
        """Return every process that commands of this project started, directly or not."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get(MARK) == self.mark or f"{self.folder}/" in " ".join(process.cmdline())
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def services(self) -> list[str]:
        """Return module and file of each running process, sorted."""
        found: list[str] = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                found.append(" ".join(command[command.index("-m") + 1 :][:3]) if "-m" in command else str(command))
        return sorted(found)

    def pid(self, service: str) -> int:
        return json.loads((self.run_dir / service / "state.json").read_text())["child_pid"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project. Its stack is removed however the test ends."""
    made = Project(tmp_path)
    try:
        yield made
    finally:
        down = made.run("down", "--engine", "rehearsal")
        left = made.processes()
        for process in left:
            process.kill()
    assert down.returncode == 0, down.stdout + down.stderr
    assert left == []
    assert not made.run_dir.exists()
