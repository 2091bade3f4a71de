"""The processes of a local stack, from the files of their supervisors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from novacron_infra.clock import ManualClock
from novacron_infra.local import process
from novacron_ops.local_processes import LocalService, list_services, stop_leftovers


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
