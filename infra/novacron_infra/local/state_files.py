"""The files by which a supervisor and its callers communicate: the process to run, and its state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypedDict, cast

Status = Literal["starting", "ready", "failed", "stopped"]
STATE_FILE = "state.json"
SUPERVISOR_FILE = "supervisor.json"


class SupervisorSpec(TypedDict):
    """The process that a supervisor runs. Callers write it before they start the supervisor."""

    folder: str
    command: list[str]
    log: str
    ready_url: str
    """Returns 200 when the process is ready."""
    digest: str
    """Identifies the process's specification."""
    grace_s: float
    """Time between SIGTERM and SIGKILL."""


class ProcessState(TypedDict, total=False):
    """The state of a process. Its supervisor writes it after every change."""

    status: Status
    digest: str
    supervisor_pid: int
    child_pid: int | None
    restarts: int
    exit_status: int | None
    """Exit status of the last run that ended; negative for a signal."""
    started_monotonic_s: float
    """When the process started, on the monotonic clock that all processes of the machine share."""


def read_state(folder: Path) -> ProcessState:
    """Return the state that the supervisor wrote last; empty when there is none."""
    try:
        state: object = json.loads((folder / STATE_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("ProcessState", state) if isinstance(state, dict) else {}
