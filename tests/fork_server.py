"""Starts processes by forking a warm interpreter: importing PyTorch takes longer than most tests.

The fork server (`python -m tests.fork_server MODULE…`) imports modules, and forks a process for each request on its
standard input. A forked process runs a module as `python -m` does. It has the environment, the folder and the output
of its request.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
REQUEST_BYTES = 100_000


class Forked:
    """A forked process, with the methods of `subprocess.Popen`."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, which is the negative number of the signal if one ended the process."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = int(self._status.recv(16))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._status.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if the process still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A warm interpreter, which ends with the process that made it."""

    def __init__(self, *modules: str) -> None:
        """Start the interpreter. It imports the modules, and all modules of those that are packages."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.fork_server", *modules]
            self._process = subprocess.Popen(command, stdin=theirs, cwd=ROOT)

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        output: IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
        folder: Path | None = None,
    ) -> Forked:
        """Run a module in a forked process.

        Args:
            module: its name.
            arguments: without the program's name.
            environment: all variables.
            output: the file of its output; that of this process by default.
            errors: the file of its error output; `output` by default.
            folder: the folder that it runs in; that of this process by default.
        """
        request = {
            "module": module,
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            files = [file.fileno() for file in (output, errors or output) if file is not None]
            socket.send_fds(self._requests, [json.dumps(request).encode()], [theirs.fileno(), *files])
        return Forked(int(ours.recv(16)), ours)


@functools.cache
def start_fork_server(*modules: str) -> ForkServer:
    """Return the fork server with these modules. It is started once."""
    return ForkServer(*modules)


def serve() -> dict[str, Any] | None:
    """Fork for each request until the input ends. Returns the request in the forked process, and None at the end."""
    requests = socket.socket(fileno=os.dup(0))
    statuses: dict[int, socket.socket] = {}
    ended, wake = socket.socketpair()
    for end in (ended, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the tests, which stop what they have started
    while True:
        ready, _, _ = select.select([requests, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            report_ended(statuses)
        if requests in ready:
            content, files, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
            if not content:
                return None
            status, *outputs = files
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for one in (requests, ended, wake, *statuses.values()):
                    one.close()
                for standard, file in enumerate(outputs, start=1):
                    os.dup2(file, standard)
                for file in files:
                    os.close(file)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                return json.loads(content)
            statuses[pid] = socket.socket(fileno=status)
            statuses[pid].send(b"%d" % pid)
            for file in outputs:
                os.close(file)


def report_ended(statuses: dict[int, socket.socket]) -> None:
    """Send the exit status of each forked process that has ended."""
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with statuses.pop(pid) as to, contextlib.suppress(OSError):  # no one may be waiting
            to.send(b"%d" % os.waitstatus_to_exitcode(status))


def import_all(name: str) -> None:
    """Import a module, and all modules of a package except its program."""
    module = importlib.import_module(name)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def main() -> None:
    before = os.environ.copy()
    for name in sys.argv[1:]:
        import_all(name)
    set_by_modules = os.environ.items() - before.items()
    gc.freeze()
    request = serve()
    if request is None:
        return
    os.environ.clear()
    os.environ.update(dict(set_by_modules) | request["environment"])
    os.chdir(request["folder"])
    sys.path[:0] = [part for part in request["environment"].get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.argv[1:] = request["arguments"]
    status = 1
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code)
        else:
            status = end.code or 0
    except BaseException:  # noqa: BLE001 - what the interpreter does
        traceback.print_exc()
    finally:
        # The interpreter's own end takes longer, and PyTorch's libraries report what the fork server has imported.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
