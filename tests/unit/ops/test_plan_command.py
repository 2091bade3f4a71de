"""`novacron plan`: text, JSON and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.ops.running import ROOT, copy_stacks, novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "prod", "local")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*arguments: str) -> int:
    """Run `novacron plan` and return its exit status."""
    return novacron("plan", *arguments)


def test_plan_as_text_and_as_json_matches_the_golden_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan() == 0
    assert capsys.readouterr().out == (ROOT / "tests/unit/golden/prod.txt").read_text(encoding="utf-8")
    assert plan("-s", "prod", "--json") == 0
    assert capsys.readouterr().out == (ROOT / "tests/unit/golden/prod.json").read_text(encoding="utf-8")


def test_plan_of_an_environment_that_does_not_fit_ends_with_2_and_lists_every_problem(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text(file.read_text().replace("p5.48xlarge", "p4d.24xlarge").replace("count: 64", "count: 62"))
    assert plan() == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "      fits: bf16 on 24 GPUs (TP8 × PP3)\n" in shown.err
    assert plan("--json") == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {"path", "value", "rule", "fix", "details", "is_default"} == set(problems[0])
    assert "novacron:environment.workers.count" in [item["path"] for item in problems]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("config:\n", "has no novacron:environment below config"),
        (
            "config: {novacron:enviroment: {}}\n",
            "plan. novacron:enviroment is an unknown key. Did you mean novacron:environment?",
        ),
        ("config: [1]\n", "has no novacron:environment below config"),
        ("config: {novacron:environment: }\n", "it must be a mapping"),
        ("config: {novacron:environment: {platform: moon}}\n", "Use one of local, aws, gcp, azure, kubernetes"),
    ],
)
def test_plan_of_a_stack_without_a_cloud_environment_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (project / "Pulumi.prod.yaml").write_text(content)
    assert plan() == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("{platform: local}", "2 workers on this machine."),
        (
            "{platform: kubernetes, images: {coordinator: localhost/c, worker: localhost/w}}",
            "2 workers in a cluster of your own.",
        ),
    ],
)
def test_a_stack_on_machines_of_ones_own_is_checked(
    project: Path, capsys: pytest.CaptureFixture[str], environment: str, message: str
) -> None:
    file = project / "Pulumi.prod.yaml"
    file.write_text(f"config:\n  novacron:environment: {environment}\n")
    assert plan() == 0
    assert message in capsys.readouterr().out
    assert plan("--json") == 0
    assert json.loads(capsys.readouterr().out)["environment"]["workers"]["count"] == 2
    file.write_text(file.read_text().replace("{platform", "{workers: {count: 0}, platform"))
    assert plan() == 2
    assert "novacron:environment.workers.count = 0" in capsys.readouterr().err


def test_a_stack_file_that_is_not_yaml_ends_with_2(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.prod.yaml").write_text("config: {a: 2024-13-45}\n")
    assert plan() == 2
    assert "not valid YAML" in capsys.readouterr().err


def test_a_missing_stack_file_ends_with_2_as_for_every_command(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Pulumi.prod.yaml").unlink()
    assert plan() == 2
    assert "there is no Pulumi.prod.yaml; stacks here: local" in capsys.readouterr().err
