"""The processes of a local stack, from the files of their supervisors."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from novacron_infra.clock import ManualClock
from novacron_infra.local import process
from novacron_ops.errors import OpsError
from novacron_ops.local_processes import LocalService, drain_process, list_services, stop_leftovers


def write_state(run_dir: Path, **state: Any) -> None:
    folder = run_dir / "coordinator"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "state.json").write_text(json.dumps(state))


def test_uptime_comes_from_the_monotonic_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "is_alive", lambda _: True)
    clock = ManualClock()
    write_state(
        tmp_path, status="ready", child_pid=7, restarts=1, started_monotonic_s=clock.monotonic(), since=clock.time()
    )
    clock.advance(5.0)
    assert list_services(tmp_path, clock) == [LocalService("coordinator", "ready", pid=7, restarts=1, up_s=5.0)]


def test_a_supervisor_of_an_earlier_version_has_no_uptime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "is_alive", lambda _: True)
    write_state(tmp_path, status="ready", child_pid=7, since=1e9)
    assert list_services(tmp_path)[0].up_s is None


def test_a_process_without_its_supervisor_is_gone_and_has_no_pid(tmp_path: Path) -> None:
    write_state(tmp_path, status="ready", child_pid=7, started_monotonic_s=100.0)
    assert list_services(tmp_path) == [LocalService("coordinator", "gone", pid=None, restarts=0, up_s=None)]


def test_a_process_whose_files_were_removed_is_orphaned_and_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run" / "coordinator"
    removed: list[Path] = []
    monkeypatch.setattr(process, "find_folders", lambda _: [folder])
    monkeypatch.setattr(process, "find_supervisor", lambda _: psutil.Process())
    monkeypatch.setattr(process, "remove", removed.append)
    assert [service.status for service in list_services(tmp_path / "run")] == ["orphaned"]
    assert stop_leftovers(tmp_path / "run") == ["coordinator"]
    assert removed == [folder]


class Supervising(ManualClock):
    """A clock on which a supervisor writes the next state at every look."""

    def __init__(self, run_dir: Path, *states: dict[str, Any]) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._states = iter(states)

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if (state := next(self._states, None)) is not None:
            (self._run_dir / "coordinator" / "state.json").write_text(json.dumps(state))


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[bytes]:
    monkeypatch.setattr(process, "is_alive", lambda _: True)
    child = subprocess.Popen(["sleep", "60"])
    write_state(tmp_path, status="ready", child_pid=child.pid, restarts=1)
    return child


def test_a_drained_process_is_asked_to_end_and_awaited_until_it_is_ready_again(
    tmp_path: Path, running: subprocess.Popen[bytes]
) -> None:
    ready = {"status": "ready", "child_pid": 9}
    states = [{**ready, "restarts": 1}, {"status": "starting", "restarts": 2}, {**ready, "restarts": 2}]
    drain_process(tmp_path, "coordinator", 60, Supervising(tmp_path, *states))
    assert running.wait(10) == -signal.SIGTERM


def test_a_process_that_is_not_ready_again_is_reported(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    with pytest.raises(OpsError, match="coordinator was drained and is failed"):
        drain_process(tmp_path, "coordinator", 60, Supervising(tmp_path, {"status": "failed", "restarts": 1}))
    running.wait(10)
    with pytest.raises(OpsError, match="coordinator is failed; only a process that is ready can be drained"):
        drain_process(tmp_path, "coordinator", 60)
    with pytest.raises(OpsError, match="worker-9: there is no such process; there are: coordinator"):
        drain_process(tmp_path, "worker-9", 60)
