"""The processes of a local stack, as their supervisors report them."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_infra.local import process
from novacron_infra.local.state_files import read_state

from novacron_ops.errors import Exit, OpsError

_POLL_S = 0.2


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


def drain_process(run_dir: Path, name: str, timeout_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
    """Let a process finish its requests and end, and wait until its supervisor has started it again.

    Raises:
        OpsError: if there is no such process, it is not ready, or it is not ready again in time.
    """
    services = {service.name: service for service in list_services(run_dir, clock)}
    service = services.get(name)
    if service is None:
        raise OpsError(f"{name}: there is no such process; there are: {', '.join(services) or 'none'}", Exit.BAD_INPUT)
    if service.status != "ready" or service.pid is None:
        raise OpsError(f"{name} is {service.status}; only a process that is ready can be drained")
    with suppress(ProcessLookupError):
        os.kill(service.pid, signal.SIGTERM)
    deadline_s = clock.monotonic() + timeout_s
    while True:
        now = next((one for one in list_services(run_dir, clock) if one.name == name), None)
        if now is None or now.status in ("failed", "gone", "orphaned", "stopped"):
            raise OpsError(f"{name} was drained and is {now.status if now else 'gone'}; see `novacron logs`")
        if now.restarts > service.restarts and now.status == "ready":
            return
        if clock.monotonic() >= deadline_s:
            raise OpsError(f"{name} is not ready again after {timeout_s:g} s; see `novacron logs`")
        clock.sleep(_POLL_S)


def stop_leftovers(run_dir: Path) -> list[str]:
    """Stop processes that run although the state does not have them, remove their files, and return their names."""
    folders = process.find_folders(run_dir)
    running = [folder.name for folder in folders if process.is_alive(folder) or process.find_supervisor(folder)]
    for folder in folders:
        process.remove(folder)
    shutil.rmtree(run_dir, ignore_errors=True)
    return running
