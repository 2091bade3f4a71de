"""`novacron logs`: the last lines, one process only, and following what is appended."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_infra.clock import ManualClock
from novacron_ops.commands.logs import follow_logs

from tests.unit.ops.running import novacron


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").touch()
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".novacron/run/local/logs"
    folder.mkdir(parents=True)
    (folder / "coordinator.log").write_text("".join(f"line {n}\n" for n in range(30)))
    (folder / "worker-0.log").write_bytes(b"caf\xe9\n")
    return folder


@pytest.mark.usefixtures("logs")
def test_the_last_lines_of_every_log_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("logs", "-n", "2") == 0
    assert capsys.readouterr().out == "coordinator  line 28\ncoordinator  line 29\nworker-0     caf�\n"


@pytest.mark.usefixtures("logs")
def test_one_process_is_shown_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("logs", "--service", "worker-0") == 0
    assert "coordinator" not in capsys.readouterr().out
    assert novacron("logs", "--service", "worker-9") == 2
    assert "--service worker-9: there is no such log; there are: coordinator, worker-0" in capsys.readouterr().err


def test_logs_of_a_stack_that_is_not_deployed_end_with_1(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in logs.iterdir():
        file.unlink()
    assert novacron("logs") == 1
    assert "stack local has no logs: it is not deployed" in capsys.readouterr().out


def test_following_prints_appended_and_rotated_lines_until_the_logs_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text("old\n")

    class Scripted(ManualClock):
        steps = iter(["old\nnew\n", "new", None])

        def sleep(self, seconds: float, /) -> None:
            super().sleep(seconds)
            content = next(self.steps)
            if content is None:
                log.unlink()
            else:
                log.write_text(content)

    follow_logs({log: 4}, Scripted())
    assert capsys.readouterr().out == "worker-0     new\nworker-0     new\n"
