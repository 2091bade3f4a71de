"""Runs the program: in a process of its own, or in this one for fast tests."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from novacron_rehearsal.errors import ProgramError
from novacron_rehearsal.protocol import exec_program
from novacron_rehearsal.protocol.children import Child


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """Settings of one run of the program."""

    folder: Path
    python: str
    project: str
    stack: str
    monitor: str
    dry_run: bool
    parallel: int
    config: Mapping[str, str]
    config_secret_keys: tuple[str, ...]
    env: Mapping[str, str]

    def settings(self) -> dict[str, object]:
        """Return what `exec_program` reads from standard input."""
        return {
            "monitor": self.monitor,
            "engine": self.monitor,
            "project": self.project,
            "stack": self.stack,
            "organization": "organization",
            "parallel": self.parallel,
            "dry_run": self.dry_run,
            "root_directory": str(self.folder),
            "program": str(self.folder),
            "config": dict(self.config),
            "config_secret_keys": list(self.config_secret_keys),
        }


def check_program(folder: Path) -> None:
    """Raise `ProgramError` when the folder has no program."""
    if not (folder / "__main__.py").is_file():
        raise ProgramError(f"{folder} has no __main__.py; set `main` in Pulumi.yaml to the program's folder")


async def start(call: ProgramCall, on_line: Callable[[str, bool], None]) -> Child:
    """Start the program in a process of its own."""
    command = [call.python, "-u", exec_program.__file__]
    env = {
        **os.environ,
        **call.env,
        "PULUMI_PROJECT": call.project,
        "PULUMI_STACK": call.stack,
        "PULUMI_MONITOR": call.monitor,
        "PULUMI_ENGINE": call.monitor,
    }
    try:
        # By standard input, because the configuration has secrets and every local user can read arguments.
        settings = json.dumps(call.settings()).encode()
        child = await Child.start(command, cwd=call.folder, env=env, on_line=on_line, stdin=settings)
    except OSError as error:
        raise ProgramError(f"the program's interpreter {call.python!r} cannot be started: {error}") from error
    child.pump()
    return child


_one_at_a_time = threading.Lock()


async def run_in_process(call: ProgramCall) -> int:
    """Run the program in a thread of this process. Returns its exit status.

    The SDK keeps its state per process, so only one program runs at a time. The project's own modules are unloaded
    afterwards: the next run imports the files as they are then.
    """
    return await asyncio.get_running_loop().run_in_executor(None, _run_in_thread, call)


def _run_in_thread(call: ProgramCall) -> int:
    with _one_at_a_time:
        from pulumi.runtime import settings as sdk

        before = set(sys.modules)
        writes_bytecode = sys.dont_write_bytecode
        # Byte code is matched by the time (in seconds) and size of its source, which a test may rewrite faster.
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(call.folder))
        try:
            sdk.reset_options()
            return exec_program.run(call.settings())
        finally:
            sys.dont_write_bytecode = writes_bytecode
            sys.path.remove(str(call.folder))
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file is not None and Path(file).is_relative_to(call.folder) and "site-packages" not in file:
                    del sys.modules[name]
