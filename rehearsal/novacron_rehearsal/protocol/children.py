"""Child processes of the engine. None of them outlives it, and their output is passed on line by line."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LAST_LINES = 20
START_TIMEOUT_S = 60.0
"""Limit for a plug-in to print its port, or to answer on it."""

# A small launcher instead of `preexec_fn`, which would fork this process: gRPC's threads do not survive a fork.
# PR_SET_PDEATHSIG (1) survives the exec. The parent may have ended before it is set, hence the comparison.
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[3:])
"""


def _tied_to_parent(command: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return a command line that runs a program and kills it when this process ends.

    Raises:
        OSError: when there is no such program.
    """
    executable = shutil.which(command[0], path=env.get("PATH"))
    if executable is None:
        raise FileNotFoundError(f"{command[0]} is not an executable on PATH")
    if sys.platform != "linux":
        return [executable, *command[1:]]
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), executable, *command]


def _past_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with this machine exempt from any proxy: the child must reach the engine."""
    exempt = {name: ",".join(filter(None, [env.get(name), "127.0.0.1"])) for name in ("no_proxy", "NO_PROXY")}
    return {**env, **exempt}


class Child:
    """A process in a session of its own: Ctrl-C in the terminal reaches only the engine."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str, bool], None]) -> None:
        self.process = process
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._on_line = on_line
        self._pumps: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_line: Callable[[str, bool], None],
        stdin: bytes | None = None,
    ) -> Child:
        """Start a program.

        Args:
            command: the program and its arguments. Every local user can read them: secrets belong in `stdin`.
            cwd: its working folder.
            env: its environment.
            on_line: called with each line of its output, and whether it is standard error, once `pump` is called.
            stdin: what it reads from standard input; nothing when left out.

        Raises:
            OSError: when the program cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            *_tied_to_parent(command, env),
            cwd=cwd,
            env=_past_proxies(env),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1 << 20,
        )
        if stdin is not None and process.stdin is not None:
            # The exit status shows when a program ends without reading all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(stdin)
                await process.stdin.drain()
            process.stdin.close()
        return cls(process, on_line)

    async def first_line(self) -> str:
        """Return the first line of its standard output; empty when it ended without one."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        return (await self.process.stdout.readline()).decode(errors="replace").strip()

    async def read_port(self) -> int | None:
        """Read the port that a plug-in prints as its first line, and start passing on its output.

        Returns:
            None: the process printed no port within `START_TIMEOUT_S`. It is stopped, and `output` has what it printed.
        """
        line = ""
        with suppress(asyncio.TimeoutError):
            line = await asyncio.wait_for(self.first_line(), START_TIMEOUT_S)
        self.pump()
        if line.isdigit():
            return int(line)
        self.last_lines.append(line)
        await self.stop(grace_s=0.5)
        return None

    @property
    def output(self) -> str:
        """The last lines of its output; `none` when it printed nothing."""
        return "\n".join(self.last_lines).strip() or "none"

    def pump(self) -> None:
        """Start passing on its output."""
        for stream, is_stderr in ((self.process.stdout, False), (self.process.stderr, True)):
            if stream is not None:
                self._pumps.append(asyncio.create_task(self._read(stream, is_stderr=is_stderr)))

    async def _read(self, stream: asyncio.StreamReader, *, is_stderr: bool) -> None:
        while True:
            try:
                raw = await stream.readline()
            except ValueError:  # the line is longer than the limit: pass on a part of it
                raw = await stream.read(1 << 16)
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip("\n")
            self.last_lines.append(line)
            self._on_line(line, is_stderr)

    async def wait(self) -> int:
        """Wait until it ends and its output is passed on. Returns its exit status."""
        code = await self.process.wait()
        await asyncio.gather(*self._pumps)
        return code

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop it: with SIGINT, as providers expect, and with SIGKILL after `grace_s` seconds."""
        if self.process.returncode is None:
            self._signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self.process.wait(), grace_s)
            except asyncio.TimeoutError:
                self._signal(signal.SIGKILL)
                await self.process.wait()
        else:
            # Kill the processes that it started and left in its session.
            self._signal(signal.SIGKILL)
        if self._pumps:
            # Wait briefly for its last output, and not for a grandchild that holds the pipe open.
            await asyncio.wait(self._pumps, timeout=0.5)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return
