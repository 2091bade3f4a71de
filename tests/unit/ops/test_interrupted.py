"""An interrupted run ends with 130, and its last message says what is left and how to continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from novacron_ops.new_project.files import write_files
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


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (("up",), "novacron_ops.backends.open_backend"),
        (("preview",), "novacron_ops.backends.open_backend"),
        (("down",), "novacron_ops.backends.open_backend"),
        (("plan", "-s", "local"), "novacron_ops.environment_plan.load_plan"),
        (("init", "made", "--platform", "local"), "novacron_ops.new_project.render_files"),
        (("rehearse", "-s", "local"), "novacron_ops.project.find_stack"),
    ],
)
def test_ctrl_c_anywhere_is_one_line(
    command: tuple[str, ...], target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(target, interrupt)
    assert novacron(*command) == 130
    assert capsys.readouterr().err.strip() == "error: interrupted"
    assert not Path("made").exists()


def test_an_interrupted_init_leaves_no_file(tmp_path: Path) -> None:
    made = tmp_path / "made"

    class Interrupted(dict[Path, str]):
        def items(self) -> Any:
            yield made / "Pulumi.yaml", "name: made"
            yield made / "Pulumi.dev.yaml", "config: {}"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(Interrupted())
    assert not list(made.iterdir())
