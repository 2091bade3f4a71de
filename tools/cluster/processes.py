"""The processes of a cluster. They end when the process that started them ends, however it ends."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.cluster.binaries import ClusterError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.1
_STOP_S = 5.0
# Not a `preexec_fn`, which would fork this process: the threads of gRPC, which tests have, do not survive a fork.
TIED_TO_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: the kernel kills the command when the process that started it ends."""


class Processes:
    """Starts the processes, each with a log of its own, and waits for them."""

    def __init__(self, folder: Path, programs: Mapping[str, Path]) -> None:
        """Prepare to start processes.

        Args:
            folder: the cluster's folder. Logs go to `logs/`.
            programs: path of each program by name.
        """
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._programs = programs
        self._running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        # Containers' shims leave their parent: they become children of this process, which ends them.
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a program in the background."""
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*TIED_TO_PARENT, str(self._programs[name]), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        self._running[process.pid] = (name, process)

    def wait_until(self, what: str, done: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait for a condition.

        Raises:
            ClusterError: a process has ended, or the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while not done():
            for name, process in self._running.values():
                if process.poll() is not None:
                    raise ClusterError(self._describe_end(name, process.returncode))
            if time.monotonic() > deadline:
                raise ClusterError(f"{what} did not happen within {timeout_s:.0f} s; see the logs in {self._logs}")
            time.sleep(_POLL_S)

    def wait(self) -> str:
        """Reap children until one of the processes ends. Returns a description of its end."""
        while True:
            pid, status = os.wait()
            if pid in self._running:
                return self._describe_end(self._running.pop(pid)[0], os.waitstatus_to_exitcode(status))

    def stop(self) -> None:
        """Stop the processes, the last one first, and kill those that remain."""
        for _, process in reversed(self._running.values()):
            process.terminate()
        deadline = time.monotonic() + _STOP_S
        for _, process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _describe_end(self, name: str, status: int) -> str:
        log = self._logs / f"{name}.log"
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"{name} ended with status {status}; the end of {log}:\n" + "\n".join(f"  {line}" for line in last)


def run(*command: str) -> None:
    """Run a command. Raises `ClusterError` with its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")


def kubectl(
    program: Path, kubeconfig: Path, *arguments: str, given: object = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run kubectl.

    Args:
        program: path of kubectl.
        kubeconfig: the cluster and its user.
        arguments: kubectl's arguments.
        given: an object for kubectl's standard input.
        check: whether a failure is an error.

    Raises:
        ClusterError: kubectl fails, and `check` is true.
    """
    done = subprocess.run(
        [str(program), "--kubeconfig", str(kubeconfig), *arguments],
        input=None if given is None else json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done
