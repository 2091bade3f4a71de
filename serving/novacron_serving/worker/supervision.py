"""Runs the command of a pod whose replica spans machines, so that the replica drains on SIGTERM.

`mpirun` kills all ranks a second after it gets SIGTERM, and an SSH server that ends takes its pod's ranks with it. So
this process handles the signal. In the first pod it signals only the worker, which drains and ends. Then `mpirun` ends
the other ranks. In the other pods this process waits until their ranks have ended.

`trtllm-llmapi-launch` does not end when the worker does. A worker that ends by itself therefore also ends its replica.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WORKER = [b"-m", b"novacron_serving.worker"]
"""The first arguments of the worker's process."""
MPI_DAEMON = "orted"
"""Open MPI's program that starts the ranks of a machine."""
_POLL_S = 0.5

log = logging.getLogger("novacron_serving.worker")


def run_mpi(command: Sequence[str]) -> int:
    """Run mpirun until it or the worker ends. Returns the exit status: 0 after SIGTERM, 1 if the worker ended alone."""
    stopping = _note_sigterm()
    mpirun = subprocess.Popen(command)
    seen = forwarded = False
    while mpirun.poll() is None:
        workers = find_processes(_is_worker)
        seen = seen or bool(workers)
        if stopping.is_set() and not forwarded:
            log.info("waiting until the worker has drained")
            forwarded = True
            for process in workers:
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    os.kill(process, signal.SIGTERM)
        if not workers and (seen or forwarded):
            mpirun.terminate()
            mpirun.wait()
            return 0 if forwarded else 1
        time.sleep(_POLL_S)
    return 0 if forwarded else mpirun.returncode


def run_server(command: Sequence[str]) -> int:
    """Run an SSH server until it ends, or until there are no ranks after SIGTERM. Returns the exit status."""
    stopping = _note_sigterm()
    server = subprocess.Popen(command)
    while server.poll() is None:
        if stopping.is_set() and not find_processes(_is_mpi_daemon):
            server.terminate()
            server.wait()
            return 0
        time.sleep(_POLL_S)
    return server.returncode


def find_processes(match: Callable[[list[bytes]], bool]) -> list[int]:
    """Return the ids of processes below this one whose arguments match."""
    parents: dict[int, int] = {}
    matching: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The program's name is in parentheses and may contain spaces.
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if match(arguments):
            matching.append(int(folder.name))
    return [process for process in matching if _descends(process, parents)]


def _is_mpi_daemon(arguments: list[bytes]) -> bool:
    return Path(os.fsdecode(arguments[0])).name == MPI_DAEMON


def _is_worker(arguments: list[bytes]) -> bool:
    return arguments[1:3] == WORKER


def _descends(process: int, parents: dict[int, int]) -> bool:
    while process in parents:
        process = parents[process]
        if process == os.getpid():
            return True
    return False


def _note_sigterm() -> threading.Event:
    received = threading.Event()

    def note(number: int, frame: object) -> None:  # noqa: ARG001 - as `signal` calls it
        received.set()

    signal.signal(signal.SIGTERM, note)
    return received
