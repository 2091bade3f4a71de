"""A lock for one run at a time per stack: a lock file, which the Pulumi CLI respects, and a kernel lock.

The kernel lock ends with its process.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import socket
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.state.private_files import make_private_folder, open_private_file, write_private_file


class StackLockedError(RehearsalError):
    """Another run has locked the stack."""


class StackLock:
    """Locks a stack from construction to `release`, or to the end of a `with` block.

    Raises:
        StackLockedError: when a running process has locked it. The message has its pid, user, host and start.
    """

    def __init__(self, backend_dir: Path, project: str, stack: str) -> None:
        kernel = backend_dir / "locks" / f"{project}.{stack}"
        make_private_folder(kernel.parent, backend_dir)
        self._kernel = open_private_file(kernel, os.O_RDWR | os.O_CREAT)
        self._folder = backend_dir / ".pulumi" / "locks" / "organization" / project / stack
        try:
            fcntl.flock(self._kernel, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._kernel)
            raise StackLockedError(self._describe_holders(stack)) from error
        self._file = self._folder / f"{uuid.uuid4()}.json"
        try:
            self._refuse_others(stack)
            make_private_folder(self._folder, backend_dir)
            holder = {
                "pid": os.getpid(),
                "username": _user(),
                "hostname": socket.gethostname(),
                "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
            write_private_file(self._file, json.dumps(holder).encode())
        except BaseException:
            with suppress(OSError):
                self._file.unlink()
            os.close(self._kernel)
            raise

    def _refuse_others(self, stack: str) -> None:
        """Remove lock files of processes that have ended, and respect the others, such as the CLI's."""
        for file in self._folder.glob("*.json"):
            holder = _read(file)
            local = holder.get("hostname") == socket.gethostname()
            if local and not _alive(holder.get("pid")):
                with suppress(FileNotFoundError):
                    file.unlink()
            elif not (local and holder.get("pid") == os.getpid()):
                raise StackLockedError(self._describe_holders(stack))

    def _describe_holders(self, stack: str) -> str:
        holders = "; ".join(_describe_holder(_read(file)) for file in self._folder.glob("*.json"))
        return (
            f"stack {stack!r} is locked by another run ({holders or 'just starting'}): wait for it to end. If that "
            f"process was on another machine and has ended, delete {self._folder}"
        )

    def __enter__(self) -> StackLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Unlock the stack."""
        with suppress(FileNotFoundError):
            self._file.unlink()
        os.close(self._kernel)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user has no name
        return str(os.getuid())


def _describe_holder(holder: dict[str, object]) -> str:
    """Return a phrase about the process that holds a lock. The Pulumi CLI writes its start with nanoseconds."""
    since = re.sub(r"\.\d+", "", str(holder.get("timestamp")))
    return f"pid {holder.get('pid')} of {holder.get('username')} on {holder.get('hostname')} since {since}"


def _read(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
