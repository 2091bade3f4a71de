"""A pod of a replica that spans machines gets SIGTERM: its worker drains before mpirun ends the ranks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SUPERVISE = "import sys; from novacron_serving.worker import supervision; sys.exit(supervision.{}(sys.argv[1:]))"
ENDS_MEANWHILE = """
import os, signal, subprocess, sys
from novacron_serving.worker import supervision

ended = subprocess.Popen(["true"])
ended.wait()

found = [[ended.pid], []]

def find_processes(_):
    os.kill(os.getpid(), signal.SIGTERM)
    return found.pop(0)

supervision.find_processes = find_processes
sys.exit(supervision.run_mpi(["sleep", "30"]))
"""
WORKER = """
import signal, sys, time

def drain(*_):
    time.sleep(0.3)
    print("drained", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, drain)
print("serving", flush=True)
while True:
    signal.pause()
"""
MPIRUN = """
import os, signal, subprocess, sys

command = [sys.executable, "-m", "novacron_serving.worker"]
worker = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)})

def stop(*_):
    print("mpirun ends the ranks", flush=True)
    worker.kill()
    sys.exit(143)

signal.signal(signal.SIGTERM, stop)
while True:
    signal.pause()
"""
SERVER = """
import signal, subprocess, sys

def stop(*_):
    print("the server ends", flush=True)
    sys.exit(255)

signal.signal(signal.SIGTERM, stop)
ranks = subprocess.Popen(["orted", "-c", "echo ranks; read _; echo ranks end"], executable="/bin/sh")
ranks.wait()
while True:
    signal.pause()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write programs that stand for mpirun, the worker and the SSH server."""
    package = tmp_path / "novacron_serving" / "worker"
    package.mkdir(parents=True)
    for path in (package.parent, package):
        (path / "__init__.py").touch()
    (package / "__main__.py").write_text(WORKER)
    (tmp_path / "mpirun.py").write_text(MPIRUN)
    (tmp_path / "sshd.py").write_text(SERVER)
    return tmp_path


@pytest.fixture
def pods() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for pod in started:
        if pod.poll() is None:
            os.killpg(pod.pid, signal.SIGKILL)


def start(pods: list[subprocess.Popen[str]], function: str, program: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUPERVISE.format(function), sys.executable, str(program)]
    pods.append(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    )
    return pods[-1]


def test_the_worker_drains_before_the_ranks_end(folder: Path, pods: list[subprocess.Popen[str]]) -> None:
    pod = start(pods, "run_mpi", folder / "mpirun.py")
    assert pod.stdout is not None
    assert pod.stdout.readline() == "serving\n"
    pod.send_signal(signal.SIGTERM)
    assert pod.communicate(timeout=30)[0] == "drained\nmpirun ends the ranks\n"
    assert pod.returncode == 0


def test_a_worker_that_ends_alone_ends_its_replica(folder: Path, pods: list[subprocess.Popen[str]]) -> None:
    (folder / "novacron_serving/worker/__main__.py").write_text("import time\ntime.sleep(2)\n")
    pod = start(pods, "run_mpi", folder / "mpirun.py")
    assert pod.communicate(timeout=30)[0] == "mpirun ends the ranks\n"
    assert pod.returncode == 1


def test_a_worker_that_ends_before_it_gets_the_signal_has_drained() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS_MEANWHILE], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_mpirun_that_fails_gives_its_status(folder: Path, pods: list[subprocess.Popen[str]]) -> None:
    (folder / "mpirun.py").write_text("raise SystemExit(7)")
    assert start(pods, "run_mpi", folder / "mpirun.py").wait(30) == 7


def test_a_pod_with_ranks_outlives_sigterm_until_they_end(folder: Path, pods: list[subprocess.Popen[str]]) -> None:
    pod = start(pods, "run_server", folder / "sshd.py")
    assert pod.stdout is not None
    assert pod.stdout.readline() == "ranks\n"
    pod.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        pod.wait(1.5)
    assert pod.communicate("end\n", timeout=30)[0] == "ranks end\nthe server ends\n"
    assert pod.returncode == 0
