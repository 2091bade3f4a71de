"""An interrupted run ends with 130, and its last message says what is left and how to continue."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_rehearsal import Operation, Result, Workspace

from tests.unit.ops.running import copy_stacks, novacron


@pytest.fixture(autouse=True)
def _interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(operation: Operation) -> Result:
        return Result(operation, False, {}, [], {}, [], [], 0.0, cancelled=True)

    copy_stacks(tmp_path, "local")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for operation in Operation:
        monkeypatch.setattr(Workspace, operation.value, lambda *_, operation=operation: run(operation))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("preview", "the preview was interrupted; nothing was changed"),
        (
            "up",
            "interrupted; resources that were created are kept, and local processes that were started keep running. "
            "To continue, run the same command again; to remove them, run `novacron down -s local`",
        ),
        ("down", "interrupted; run the same command again to continue"),
    ],
)
def test_the_last_message_is_true(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron(command) == 130
    assert capsys.readouterr().err == f"error: {message}\n"
