"""Keeps one process running: `python -m novacron_infra.local.supervisor SPEC.json`, in a session of its own.

It starts the process, restarts it when it crashes, stops it on SIGTERM, keeps its log within bounds and says what it
does in a state file. It uses the standard library only: it starts in tens of milliseconds and needs little memory.
Whoever starts it holds an exclusive lock on the service's lock file and passes the descriptor on, so that there is no
moment in which the service is running and unlocked; the lock ends with this process, however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 16 * 1024 * 1024
LOG_CHECK_INTERVAL_S = 30.0

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Spec:
    """What to run and how. Holds no secret: those come through the environment."""

    service: str
    command: list[str]
    folder: str
    """Where the state file goes."""
    log: str
    digest: str
    """Of everything that makes two processes the same."""
    instance: str
    """Different for each start of a supervisor."""
    stop_grace_s: float = 10.0
    restart_limit: int = 5
    """Crashes within `restart_window_s` after which it gives up."""
    restart_window_s: float = 60.0
    backoff_s: float = 0.5
    """Before the first restart; doubled for each further crash within the window."""
    backoff_limit_s: float = 10.0


@dataclass
class State:
    """What the state file says."""

    service: str
    digest: str
    instance: str
    supervisor_pid: int
    command: list[str]
    phase: str = "starting"
    """starting, running, backoff, stopping, failed"""
    pid: int | None = None
    started_at: float | None = None
    """Of the present process, seconds since 1970."""
    restarts: int = 0
    message: str = ""


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one step; only the user can read it."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    partial.replace(path)


class Supervisor:
    """Runs the loop of one service."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._log = Path(spec.log)
        self._state_path = Path(spec.folder) / "state.json"
        self._state = State(spec.service, spec.digest, spec.instance, os.getpid(), spec.command)
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Until told to stop (0) or until the process has crashed too often (1)."""
        signal.set_wakeup_fd(self._wake_write)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, self._on_child)
        crashes: deque[float] = deque()
        while True:
            self._start()
            code = self._wait()
            if self._stop:
                self._end_process()
                self._state_path.unlink(missing_ok=True)
                self._say("stopped")
                return 0
            now = time.monotonic()
            crashes.append(now)
            while crashes and now - crashes[0] > self.spec.restart_window_s:
                crashes.popleft()
            self._state.restarts += 1
            self._state.pid = None
            reason = f"exited with {code}" if code >= 0 else f"was ended by signal {-code}"
            if len(crashes) > self.spec.restart_limit:
                message = (
                    f"{reason}; given up after {len(crashes)} crashes within {self.spec.restart_window_s:.0f} s: "
                    "see the lines above"
                )
                self._say(message)
                self._write("failed", message)
                return 1
            pause_s = min(self.spec.backoff_s * 2 ** (len(crashes) - 1), self.spec.backoff_limit_s)
            message = f"{reason}; restart {len(crashes)} of at most {self.spec.restart_limit} in {pause_s:.1f} s"
            self._say(message)
            self._write("backoff", message)
            self._sleep(pause_s)
            if self._stop:
                self._state_path.unlink(missing_ok=True)
                return 0

    def _on_stop(self, _signal: int, _frame: object) -> None:
        self._stop = True

    def _on_child(self, _signal: int, _frame: object) -> None:
        """Only so that the signal wakes the loop."""

    def _start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._bound_log()
        me = os.getpid()

        def die_with_supervisor() -> None:
            if _libc is not None:
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != me:
                    os._exit(1)

        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.spec.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.spec.folder,
                    start_new_session=True,
                    preexec_fn=die_with_supervisor,  # noqa: PLW1509 - this process has one thread
                )
        except OSError as error:
            self._process = None
            self._say(f"cannot be started: {error}")
            return
        self._state.pid = self._process.pid
        self._state.started_at = time.time()
        self._write("running")

    def _wait(self) -> int:
        """The exit status of the process, or of no interest when told to stop."""
        if self._process is None:
            return 127
        while not self._stop:
            code = self._process.poll()
            if code is not None:
                self._kill_group()
                return code
            self._sleep(LOG_CHECK_INTERVAL_S, until_signal=True)
            self._bound_log()
        return 0

    def _end_process(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._write("stopping")
            self._process.terminate()
            try:
                self._process.wait(self.spec.stop_grace_s)
            except subprocess.TimeoutExpired:
                self._say(f"still running {self.spec.stop_grace_s:.0f} s after SIGTERM: killed")
                self._kill_group()
                self._process.wait()
        self._kill_group()

    def _kill_group(self) -> None:
        """End what the process itself has started and left behind."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return

    def _sleep(self, seconds: float, *, until_signal: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while not self._stop and (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._wake_read], [], [], left)
            if ready:
                os.read(self._wake_read, 4096)
                if until_signal:
                    return

    def _write(self, phase: str, message: str = "") -> None:
        self._state.phase = phase
        self._state.message = message
        try:
            write_atomically(self._state_path, asdict(self._state))
        except OSError as error:  # a full disk must not end the service
            self._say(f"state file not written: {error}")

    def _say(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        try:
            with self._log.open("a") as log:
                log.write(f"{stamp} [supervisor] {self.spec.service} {text}\n")
        except OSError:
            return

    def _bound_log(self) -> None:
        """Keep the last file and the one before. The process goes on writing to the same, emptied file."""
        try:
            if self._log.stat().st_size > LOG_LIMIT_BYTES:
                shutil.copyfile(self._log, self._log.with_name(self._log.name + ".1"))
                os.truncate(self._log, 0)
        except OSError:
            return


def main() -> int:
    """Read the specification and supervise."""
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text()))
    return Supervisor(spec).run()


if __name__ == "__main__":
    sys.exit(main())
