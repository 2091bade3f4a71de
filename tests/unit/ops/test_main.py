"""`novacron` itself: help, version and usage errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from novacron_ops.main import SECTIONS

from tests.unit.ops.running import novacron

COMMANDS = [name for commands in SECTIONS.values() for name in commands]


def test_without_arguments_the_command_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron() == 0
    without = capsys.readouterr()
    assert novacron("--help") == 0
    assert without.out == capsys.readouterr().out
    assert without.err == ""
    assert all(f"\n  {name} " in without.out for name in COMMANDS)
    assert "..." not in without.out.replace("[ARGS]...", "")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("--version") == 0
    assert capsys.readouterr().out.startswith("novacron 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron(name, "--help") == 0
    output = capsys.readouterr().out
    assert "Examples:" in output
    assert "novacron " + name in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["u"], "error: No such command 'u'. Did you mean 'up'?"),
        (["up", "--no-such-option"], "error: No such option: --no-such-option"),
        (["up", "--engine", "moon"], "'moon' is not one of 'auto', 'cli', 'rehearsal'"),
        (["import"], "error: Missing argument"),
        (["logs", "-n", "0"], "Invalid value for '--lines' / '-n'"),
        (["setup"], "nothing to install; name a tool: novacron setup --pulumi"),
    ],
)
def test_usage_errors_end_with_2_and_say_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron(*arguments) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (["main"], {"grpc", "pulumi", "novacron_rehearsal", "pydantic"}),
        (["main", "project", "environment_plan", "plan_report"], {"grpc", "pulumi"}),
    ],
    ids=["help", "plan"],
)
def test_help_and_plan_do_not_load_the_engine(modules: list[str], heavy: set[str]) -> None:
    program = f"import sys; from novacron_ops import {', '.join(modules)}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("novacron pl", ["plan"]),
        ("novacron plan -s ", ["dev", "prod"]),
        ("novacron plan -s p", ["prod"]),
        ("novacron up -s x", []),
    ],
)
def test_a_shell_completes_commands_and_stacks(
    typed: str,
    completed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("dev", "prod"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_NOVACRON_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert novacron() == 0
    assert capsys.readouterr().out.split() == completed
