"""`novacron catalog`: text, JSON and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.ops.running import copy_stacks, novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "prod")
    (tmp_path / "catalog").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list_shows_the_machines_of_a_cloud(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("catalog", "list", "--cloud", "aws") == 0
    lines = capsys.readouterr().out.splitlines()
    (p5,) = [line.split() for line in lines if line.startswith("p5.48xlarge ")]
    assert p5[:5] == ["p5.48xlarge", "aws", "8", "×", "H100-80GB"]
    assert p5[-3:] == ["55.04", "us-east-1", "yes"]
    assert not any(line.startswith("Standard_") for line in lines)
    assert novacron("catalog", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {item["cloud"] for item in listed} == {"aws", "gcp", "azure"}


@pytest.mark.parametrize(("kind", "entry"), [("gpus", "H100-80GB"), ("models", "llama-3.1-405b")])
def test_list_shows_other_kinds(project: Path, capsys: pytest.CaptureFixture[str], kind: str, entry: str) -> None:
    assert novacron("catalog", "list", kind) == 0
    assert f"\n{entry} " in capsys.readouterr().out


def test_show_has_sources_prices_and_regions(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("catalog", "show", "p5.48xlarge", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["usd_per_hour"][0]["regions"]["eu-north-1"] == 58.8928
    assert "eu-west-1" not in shown["offered_in"]
    assert shown["source"]
    assert novacron("catalog", "show", "p5.48xlarge") == 0
    assert "gpu: H100-80GB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "show needs the name of an entry"),
        (["show", "p5.48xlrage"], "'p5.48xlrage' is not in the catalogue. Did you mean p5.48xlarge"),
        (["list", "machine"], "'machine': Did you mean machines?"),
    ],
)
def test_a_wrong_name_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert novacron("catalog", *arguments) == 2
    assert message in capsys.readouterr().err


def test_check_lists_own_entries_or_every_problem(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "catalog" / "gpus.yaml"
    entry = "- {name: H900, architecture: hopper, memory_mib: 163840, source: ours, as_of: 2026-11-30}\n"
    file.write_text(entry)
    assert novacron("catalog", "check") == 0
    assert "catalog/gpus.yaml[H900]" in capsys.readouterr().out


def test_problems_of_own_files_end_check_and_plan_with_2(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "catalog" / "gpus.yaml").write_text("- {name: H900, architecture: volta}\n")
    for command in (["catalog", "check"], ["catalog", "list"], ["plan", "-s", "prod"]):
        assert novacron(*command) == 2
        shown = capsys.readouterr().err
        assert "the catalogue has 4 problems" in shown
        assert "catalog/gpus.yaml[H900].architecture = volta" in shown
    assert novacron("catalog", "check", "--json") == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert "catalog/gpus.yaml[H900].architecture" in {item["path"] for item in problems}


def test_check_without_own_files_says_where_they_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert novacron("catalog", "check") == 0
    assert "no folder `catalog` next to Pulumi.yaml" in capsys.readouterr().out
