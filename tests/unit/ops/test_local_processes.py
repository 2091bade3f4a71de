"""The processes of a local stack, from the files of their supervisors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.local import process
from novacron_ops.local_processes import LocalService, list_services


def write_state(run_dir: Path, **state: Any) -> None:
    folder = run_dir / "coordinator"
    folder.mkdir()
    (folder / "supervisor.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps(state))


def test_uptime_comes_from_the_monotonic_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "alive", lambda _: True)
    write_state(tmp_path, status="ready", child_pid=7, restarts=1, started_monotonic_s=100.0)
    assert list_services(tmp_path, 105.0) == [LocalService("coordinator", "ready", pid=7, restarts=1, up_s=5.0)]


def test_a_supervisor_of_an_earlier_version_has_no_uptime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "alive", lambda _: True)
    write_state(tmp_path, status="ready", child_pid=7, since=1e9)
    assert list_services(tmp_path, 105.0)[0].up_s is None


def test_a_process_without_its_supervisor_is_gone_and_has_no_pid(tmp_path: Path) -> None:
    write_state(tmp_path, status="ready", child_pid=7, started_monotonic_s=100.0)
    assert list_services(tmp_path, 105.0) == [LocalService("coordinator", "gone", pid=None, restarts=0, up_s=None)]
