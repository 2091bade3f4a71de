"""The processes of a local stack, as their supervisors report them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_infra.local import process
from novacron_infra.local.state_files import read_state


@dataclass(frozen=True, slots=True)
class LocalService:
    """A supervised process."""

    name: str
    status: str
    """`starting`, `ready`, `failed`, `stopped`, `gone` or `orphaned`.

    `gone`: the supervisor does not run. `orphaned`: it runs although its files were removed.
    """
    pid: int | None
    restarts: int
    up_s: float | None
    """Seconds since the process started; None if that is not known."""


def list_services(run_dir: Path, clock: Clock = SYSTEM_CLOCK) -> list[LocalService]:
    """Return the processes of a stack by name: those with files in the run folder, and those whose files are gone."""
    found: list[LocalService] = []
    for folder in process.find_folders(run_dir):
        state = read_state(folder)
        alive = process.is_alive(folder)
        status = str(state.get("status", "starting")) if alive else "gone"
        if not alive and process.find_supervisor(folder) is not None:
            status = "orphaned"
        pid, started_s = state.get("child_pid") if alive else None, state.get("started_monotonic_s")
        found.append(
            LocalService(
                name=folder.name,
                status=status,
                pid=pid,
                restarts=int(state.get("restarts", 0)),
                # Supervisors read the same monotonic clock. The wall clock may have been set back since.
                up_s=clock.monotonic() - started_s if pid is not None and isinstance(started_s, float) else None,
            )
        )
    return found


def stop_leftovers(run_dir: Path) -> list[str]:
    """Stop processes that run although the state does not have them, remove their files, and return their names."""
    folders = process.find_folders(run_dir)
    running = [folder.name for folder in folders if process.is_alive(folder) or process.find_supervisor(folder)]
    for folder in folders:
        process.remove(folder)
    shutil.rmtree(run_dir, ignore_errors=True)
    return running
