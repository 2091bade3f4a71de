"""An append-only journal of a run's steps, which keeps the state safe after every step at little cost.

Each line is a CRC and a JSON record. A line that is incomplete because the process was killed is detected and ignored.
The first line has the digest of the checkpoint that the records build on, so a journal is applied only once. A record
reaches the operating system before the call returns, so it survives the end of the process. Records are not forced to
the disk one by one (nor does the CLI force its checkpoints); the checkpoint is, at the end.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.state.codec import (
    Decrypt,
    Encrypt,
    pending_from_state,
    pending_to_state,
    resource_from_state,
    resource_to_state,
)
from novacron_rehearsal.state.private_files import open_private_file
from novacron_rehearsal.state.resource import PendingOperation, ResourceState, Snapshot


class Journal:
    """Appends records. `replay` reads them."""

    def __init__(self, path: Path, base: str, encrypt: Encrypt, salt: Callable[[], str] = str) -> None:
        """Create an empty journal.

        Args:
            path: its file.
            base: digest of the checkpoint that the records build on.
            encrypt: encrypts secrets.
            salt: returns the salt that `encrypt` uses; empty until there is one.

        Raises:
            RehearsalError: when the file cannot be written.
        """
        self._path = path
        self._encrypt = encrypt
        self._salt = salt
        self._next = 1
        try:
            self._file = open_private_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._salt_written = salt()
        self._append({"base": base, "salt": self._salt_written})

    def begin(self, operation: PendingOperation) -> int:
        """Record that an operation has begun. Returns a token for its end."""
        token = self._next
        self._next += 1
        self._append({"token": token, "begin": pending_to_state(operation, self._encrypt)})
        return token

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Record the end of an operation, and what it changed."""
        self._append(
            {
                "token": token,
                "removed": [identity(state) for state in removed],
                "added": [resource_to_state(state, self._encrypt) for state in added],
            }
        )

    def abandon(self, token: int) -> None:
        """Record that an operation ended and changed nothing."""
        self._append({"token": token, "removed": [], "added": []})

    def _append(self, record: dict[str, Any]) -> None:
        if self._salt() not in ("", self._salt_written):
            # The stack's first secret has just created the salt. Without it, a killed run would lose its secrets.
            self._salt_written = self._salt()
            record = {**record, "salt": self._salt_written}
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, line)
            if written != len(line):
                # Records after an incomplete one would not be read, so remove it.
                os.ftruncate(self._file, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def remove(self) -> None:
        """Delete the journal: its records are in the checkpoint."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> RehearsalError:
    return RehearsalError(
        f"the state's journal {path} cannot be written: {error.strerror}. The steps recorded so far are safe; "
        "make room, or make the folder writable, and run the same command again"
    )


def identity(state: ResourceState) -> list[Any]:
    """Return the values that distinguish a resource from a replaced one with the same URN."""
    return [state.urn, state.id, state.delete]


def replay(path: Path, base: str, snapshot: Snapshot, written_with: Callable[[str], Decrypt]) -> bool:
    """Apply the journal of an interrupted run to the snapshot that the run began with.

    Operations that began and did not end become the snapshot's pending operations.

    Args:
        path: the journal's file.
        base: digest of the snapshot's checkpoint.
        snapshot: changed in place.
        written_with: returns a function that decrypts secrets of a salt.

    Returns:
        Whether there was such a journal.
    """
    records = _read(path)
    if not records or records[0].get("base") != base:
        return False
    pending: dict[int, PendingOperation] = {}
    resources: dict[tuple[Any, ...], ResourceState] = {tuple(identity(state)): state for state in snapshot.resources}
    decrypt = written_with(records[0].get("salt", ""))
    for record in records[1:]:
        if "salt" in record:
            decrypt = written_with(record["salt"])
        if "begin" in record:
            pending[record["token"]] = pending_from_state(record["begin"], decrypt)
            continue
        if record["token"] is not None:
            pending.pop(record["token"], None)
        for key in record["removed"]:
            resources.pop(tuple(key), None)
        for data in record["added"]:
            state = resource_from_state(data, decrypt)
            resources[tuple(identity(state))] = state
    snapshot.resources = list(resources.values())
    snapshot.pending_operations = [*snapshot.pending_operations, *pending.values()]
    return len(records) > 1


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the records before the first damaged one."""
    records: list[dict[str, Any]] = []
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return records
    for line in raw.split(b"\n"):
        digest, _, text = line.partition(b" ")
        try:
            if int(digest, 16) != zlib.crc32(text):
                break
        except ValueError:
            break
        records.append(json.loads(text))
    return records
