"""The processes of a local stack, from the files of their supervisors."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from novacron_infra.local import process
from novacron_ops import local_processes


def test_uptime_does_not_depend_on_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "coordinator"
    folder.mkdir()
    (folder / "supervisor.json").write_text("{}")
    state = {"status": "ready", "child_pid": 7, "restarts": 0, "started_monotonic_s": time.monotonic() - 5}
    (folder / "state.json").write_text(json.dumps(state))
    monkeypatch.setattr(process, "alive", lambda _: True)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # set back to 1970
    (service,) = local_processes.services(tmp_path)
    assert 5 <= service.up_s < 60
