"""Keep one process running: `python -m novacron_infra.local.supervisor SPEC.json LOCK_FD`.

A supervisor is the leader of its own session, so it outlives the deployment that started it. It restarts the process
when it dies, writes the process's state to `state.json`, and on Linux takes the process with it however it ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

from typing_extensions import Unpack

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_infra.local.files import PRIVATE_UMASK, open_private_log, write_private
from novacron_infra.local.readiness import DIRECT
from novacron_infra.local.state_files import STATE_FILE, ProcessState, SupervisorSpec

RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
POLL_S = 0.1
MAX_LOG_BYTES = 16 * 2**20
PR_SET_PDEATHSIG = 1


class Supervisor:
    """One process and its state file."""

    def __init__(self, spec: SupervisorSpec, clock: Clock = SYSTEM_CLOCK) -> None:
        self._spec = spec
        self._clock = clock
        self._folder = Path(spec["folder"])
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._state: ProcessState = {
            "status": "starting",
            "digest": spec["digest"],
            "supervisor_pid": os.getpid(),
            "child_pid": None,
            "restarts": 0,
            "exit_status": None,
            "started_monotonic_s": clock.monotonic(),  # the wall clock may be set back
        }

    def run(self) -> None:
        """Keep the process running until a signal ends this, or the process dies too often."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._stopping.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        deaths: list[float] = []
        restarts = 0
        while not self._stopping.is_set():
            was_ready = self._run_once()
            if self._stopping.is_set():
                break
            now = self._clock.monotonic()
            deaths = [when for when in deaths if now - when < RESTARTS_WITHIN_S] + [now]
            if (not was_ready and restarts == 0) or len(deaths) > RESTARTS:
                # A restart does not help a first start that fails, nor a process that dies again and again.
                self._write_state(status="failed")
                return
            restarts += 1
            self._write_state(status="starting", restarts=restarts)
            self._stopping.wait(min(0.2 * 2 ** len(deaths), 5.0))
        self._write_state(status="stopped")

    def _run_once(self) -> bool:
        """Run the process once, to its end. Return whether it ever was ready."""
        log_file = Path(self._spec["log"])
        if log_file.exists() and log_file.stat().st_size > MAX_LOG_BYTES:
            log_file.replace(f"{log_file}.1")
        with open_private_log(log_file) as log:
            self._child = subprocess.Popen(
                self._spec["command"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - a supervisor has one thread
            )
        self._write_state(child_pid=self._child.pid, started_monotonic_s=self._clock.monotonic())
        ready = False
        while self._child.poll() is None:
            if self._stopping.is_set():
                self._end(self._child)
                break
            if not ready and _is_ready(self._spec["ready_url"]):
                ready = True
                self._write_state(status="ready")
            self._stopping.wait(POLL_S if not ready else POLL_S * 5)
        self._write_state(exit_status=self._child.wait(), child_pid=None)
        return ready

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(self._spec["grace_s"])
        except subprocess.TimeoutExpired:
            child.kill()

    def _write_state(self, **changes: Unpack[ProcessState]) -> None:
        self._state.update(changes)
        file = self._folder / STATE_FILE
        try:
            write_private(file, json.dumps(self._state))
        except OSError:
            # A disk that fills up later must not end a process that serves.
            if not file.exists():
                raise


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_ready(url: str) -> bool:
    try:
        with DIRECT.open(url, timeout=2) as response:
            return response.status == 200
    except (OSError, ValueError):
        return False


def keep_secrets_private() -> None:
    """Let this process and its children write private files only, and no core dumps: those hold secrets."""
    os.umask(PRIVATE_UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run, holding the inherited lock that shows others that this supervisor is alive."""
    keep_secrets_private()
    os.set_inheritable(int(sys.argv[2]), False)
    Supervisor(json.loads(Path(sys.argv[1]).read_text())).run()


if __name__ == "__main__":
    main()
