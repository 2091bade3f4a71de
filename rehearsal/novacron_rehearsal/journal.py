"""An append-only record of a run's steps: what makes the state safe after every one of them at little cost.

Each line is a CRC and a JSON record; a line torn by a kill is recognised and ignored. The first line names the
checkpoint that the records build on, so that a journal which was folded already is never folded again. A record
reaches the operating system before the call returns: it survives the death of the process. It is not forced to the
disk one by one (neither does the CLI force its checkpoints); the checkpoint is, at the end.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.resource import PendingOperation, ResourceState, Snapshot
from novacron_rehearsal.state_codec import (
    Decrypt,
    Encrypt,
    pending_from_state,
    pending_to_state,
    resource_from_state,
    resource_to_state,
)


class Journal:
    """Appends; `replay` reads."""

    def __init__(self, path: Path, base: str, encrypt: Encrypt) -> None:
        self._path = path
        self._encrypt = encrypt
        self._next = 1
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._append({"base": base})

    def begin(self, operation: PendingOperation) -> int:
        """An operation is under way."""
        token = self._next
        self._next += 1
        self._append({"token": token, "begin": pending_to_state(operation, self._encrypt)})
        return token

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """It ended, and changed this."""
        self._append(
            {
                "token": token,
                "removed": [identity(state) for state in removed],
                "added": [resource_to_state(state, self._encrypt) for state in added],
            }
        )

    def abandon(self, token: int) -> None:
        """It ended and changed nothing."""
        self._append({"token": token, "removed": [], "added": []})

    def _append(self, record: dict[str, Any]) -> None:
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        if written != len(line):
            raise _unwritable(self._path, OSError(28, "No space left on device"))

    def remove(self) -> None:
        """Its records are in the checkpoint now."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> RehearsalError:
    return RehearsalError(
        f"the state's journal {path} cannot be written: {error.strerror}. What was recorded so far is safe; "
        "make room (or the folder writable) and run the same command again"
    )


def identity(state: ResourceState) -> list[Any]:
    """What tells a resource from its replaced predecessor of the same URN."""
    return [state.urn, state.id, state.delete]


def replay(path: Path, base: str, snapshot: Snapshot, decrypt: Decrypt) -> bool:
    """Fold the journal of an interrupted run into the snapshot that it began with; whether there was one.

    Operations that began and did not end become the snapshot's pending operations.
    """
    records = _read(path)
    if not records or records[0].get("base") != base:
        return False
    pending: dict[int, PendingOperation] = {}
    resources: dict[tuple[Any, ...], ResourceState] = {tuple(identity(state)): state for state in snapshot.resources}
    for record in records[1:]:
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
    """The whole records, up to the first damaged one."""
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
