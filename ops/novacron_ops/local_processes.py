"""The processes of a local stack, as their supervisors report them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from novacron_infra.local import process


@dataclass(frozen=True, slots=True)
class LocalService:
    """A supervised process."""

    name: str
    status: str
    """`starting`, `ready`, `failed`, `stopped`, or `gone` if its supervisor is not running."""
    pid: int | None
    restarts: int
    up_s: float | None
    """Seconds since the process started; None if it is not running."""


def list_services(run_dir: Path, now_monotonic_s: float) -> list[LocalService]:
    """Return the processes that have files in the run folder, by name.

    Args:
        run_dir: folder of the stack's processes.
        now_monotonic_s: the system's monotonic clock, which supervisors use as well.
    """
    found: list[LocalService] = []
    for folder in sorted(run_dir.glob("*/")):
        if not (folder / "supervisor.json").is_file():
            continue
        state = process.read_state(folder)
        started_s = state.get("started_monotonic_s")
        alive = process.alive(folder)
        pid = state.get("child_pid") if alive else None
        found.append(
            LocalService(
                name=folder.name,
                status=str(state.get("status", "starting")) if alive else "gone",
                pid=pid,
                restarts=int(state.get("restarts", 0)),
                up_s=now_monotonic_s - started_s if pid is not None and isinstance(started_s, float) else None,
            )
        )
    return found


def stop_leftovers(run_dir: Path) -> list[str]:
    """Stop processes that run although the state does not have them, remove their files, and return their names."""
    folders = [folder for folder in sorted(run_dir.glob("*/")) if folder.name != "logs"]
    running = [folder.name for folder in folders if process.alive(folder)]
    for folder in folders:
        process.remove(folder)
    shutil.rmtree(run_dir, ignore_errors=True)
    return running
