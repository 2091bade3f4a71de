"""Keeps one process running: `python -m novacron_infra.local.supervisor SPEC.json LOCK_FD`.

Lives in a session of its own, so it outlasts the deployment that started it. Restarts the process when it dies, tells
its state in `state.json`, and takes the process with it when it ends, however it ends (on Linux).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
POLL_S = 0.1
MAX_LOG_BYTES = 16 * 2**20
PR_SET_PDEATHSIG = 1


class Supervisor:
    """One process and its state file."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._folder = Path(spec["folder"])
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._state: dict[str, Any] = {
            "status": "starting",
            "digest": spec["digest"],
            "supervisor_pid": os.getpid(),
            "child_pid": None,
            "restarts": 0,
            "exit_status": None,
            "started_monotonic_s": time.monotonic(),  # the wall clock may be set back
        }

    def run(self) -> None:
        """Until told to stop, or the process fails too often."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._stopping.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        died: list[float] = []
        while not self._stopping.is_set():
            was_ready = self._run_once()
            if self._stopping.is_set():
                break
            now = time.monotonic()
            died = [when for when in died if now - when < RESTARTS_WITHIN_S] + [now]
            if (not was_ready and self._state["restarts"] == 0) or len(died) > RESTARTS:
                # A first start that fails is for its user to mend; so is one that fails again and again.
                self._tell(status="failed")
                return
            self._tell(status="starting", restarts=self._state["restarts"] + 1)
            self._stopping.wait(min(0.2 * 2 ** len(died), 5.0))
        self._tell(status="stopped")

    def _run_once(self) -> bool:
        """One life of the process; whether it ever was ready."""
        with Path(self._spec["log"]).open("ab") as log:
            if log.tell() > MAX_LOG_BYTES:
                Path(self._spec["log"]).replace(f"{self._spec['log']}.1")
                return self._run_once()
            self._child = subprocess.Popen(
                self._spec["command"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - a supervisor has one thread
            )
        self._tell(child_pid=self._child.pid, started_monotonic_s=time.monotonic())
        ready = False
        while self._child.poll() is None:
            if self._stopping.is_set():
                self._end(self._child)
                break
            if not ready and _answers(self._spec["ready_url"]):
                ready = True
                self._tell(status="ready")
            self._stopping.wait(POLL_S if not ready else POLL_S * 5)
        self._tell(exit_status=self._child.wait(), child_pid=None)
        return ready

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(self._spec["grace_s"])
        except subprocess.TimeoutExpired:
            child.kill()

    def _tell(self, **changes: Any) -> None:
        self._state.update(changes)
        told = self._folder / "state.json"
        temporary = self._folder / "state.json.tmp"
        try:
            temporary.write_text(json.dumps(self._state))
            temporary.replace(told)
        except OSError:
            # A disk that fills up later must not end a process that serves.
            if not told.exists():
                raise


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - a loopback address of our own
            return response.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def main() -> None:
    """Run, holding the inherited lock that tells others of this supervisor's life."""
    os.set_inheritable(int(sys.argv[2]), False)
    Supervisor(json.loads(Path(sys.argv[1]).read_text())).run()


if __name__ == "__main__":
    main()
