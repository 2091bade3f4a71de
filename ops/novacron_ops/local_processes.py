"""The processes of a local stack, as their supervisors tell of them."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from novacron_infra.local import process


@dataclass(frozen=True, slots=True)
class LocalService:
    """One supervised process."""

    name: str
    status: str
    """starting, ready, failed, stopped, or `gone` when its supervisor is."""
    pid: int | None
    restarts: int
    up_s: float


def services(run_dir: Path) -> list[LocalService]:
    """All that have files in the run folder."""
    found: list[LocalService] = []
    for folder in sorted(run_dir.glob("*/")):
        if not (folder / "supervisor.json").is_file():
            continue
        state = process.read_state(folder)
        found.append(
            LocalService(
                name=folder.name,
                status=str(state.get("status", "starting")) if process.alive(folder) else "gone",
                pid=state.get("child_pid"),
                restarts=int(state.get("restarts", 0)),
                up_s=max(0.0, time.monotonic() - float(state.get("started_monotonic_s", time.monotonic()))),
            )
        )
    return found


def stop_all(run_dir: Path) -> list[str]:
    """Stop what still runs although the state does not have it, and remove all files; the names of what still ran."""
    folders = [folder for folder in sorted(run_dir.glob("*/")) if folder.name != "logs"]
    left = [folder.name for folder in folders if process.alive(folder)]
    for folder in folders:
        process.remove(folder)
    shutil.rmtree(run_dir, ignore_errors=True)
    return left


def cluster_status(endpoint: str, key: str | None) -> dict[str, Any] | None:
    """The coordinator's own account, `None` when it does not answer."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    try:
        url = f"{endpoint.removesuffix('/v1')}/api/v1/llm/cluster/status"
        response = httpx.get(url, headers=headers, timeout=2)
        return response.json()
    except (httpx.HTTPError, ValueError):
        return None


def active_workers(cluster: dict[str, Any] | None) -> tuple[int, int]:
    """Workers that the coordinator hears from, and all that it knows: a process may live and yet hang."""
    counts = (cluster or {}).get("cluster", {})
    return int(counts.get("active_workers", 0)), int(counts.get("total_workers", 0))
