"""`--json` and exit statuses are what the documentation says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from novacron_ops import main
from novacron_ops.errors import Exit

from tests.unit.ops.running import copy_stacks, enter_project, novacron
from tests.unit.ops.schemas import check_output
from tools.site.command_output import PAGE, create_schemas, render_files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "dev", "staging", "prod", "local", "trial")
    enter_project(tmp_path, monkeypatch)
    return tmp_path


def test_the_page_and_the_schemas_are_those_of_the_types() -> None:
    for file, text in render_files().items():
        assert file.read_text("utf-8") == text, "run `make golden`"


def test_every_command_with_json_has_a_schema() -> None:
    commands = {name: function for section in main.SECTIONS.values() for name, function in section.items()}
    with_json = {name for name, function in commands.items() if "as_json" in function.__annotations__}
    assert set(create_schemas()) == with_json


@pytest.mark.parametrize("stack", ["dev", "staging", "prod", "local", "trial"])
def test_a_plan_matches_its_schema(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("plan", "-s", stack, "--json") == 0
    check_output("plan", json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "gpus"),
        ("list", "models"),
        ("show", "p5.48xlarge"),
        ("show", "Standard_D64s_v5"),
        ("show", "H100-80GB"),
        ("show", "llama-3.1-8b"),
        ("check",),
    ],
    ids=" ".join,
)
def test_the_catalogue_matches_its_schema(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("catalog", *arguments, "--json") == 0
    check_output("catalog", json.loads(capsys.readouterr().out))


def test_problems_of_own_files_match_the_schema(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "catalog").mkdir()
    (project / "catalog/gpus.yaml").write_text("- {name: H900, architecture: volta}\n")
    assert novacron("catalog", "check", "--json") == 2
    check_output("catalog", json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("command", ["plan", "rehearse"])
def test_problems_match_the_schema(command: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text(file.read_text().replace("p5.48xlarge", "p4d.24xlarge"))
    assert novacron(command, "-s", "prod", "--json") == 2
    check_output(command, json.loads(capsys.readouterr().out))


def test_a_key_that_the_schema_does_not_name_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("plan", "-s", "dev", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    with pytest.raises(jsonschema.ValidationError):
        check_output("plan", {**printed, "other": 1})


def test_every_exit_status_is_documented_and_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)}
    assert documented == set(Exit)
    seen = {novacron("plan", "-s", "dev"), novacron("status", "-s", "local"), novacron("plan", "-s", "other")}

    def leave(*_: object, **__: object) -> None:
        raise main.typer.Abort

    monkeypatch.setattr("typer.prompt", leave)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    seen.add(novacron("init"))
    assert seen == documented
