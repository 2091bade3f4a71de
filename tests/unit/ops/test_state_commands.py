"""`novacron export` and `import`: the mode of the file, and what cannot be imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.ops.running import novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def deploy_nothing(project: Path) -> None:
    """Give the stack `dev` an empty state."""
    (project / "empty.json").write_text(json.dumps({"version": 3, "deployment": {"resources": []}}))
    assert novacron("import", "empty.json", "-s", "dev") == 0


def test_an_export_of_a_stack_that_was_never_deployed_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron("export", "-s", "dev", "--file", "state.json") == 1
    assert "stack dev has no state to export: it is not deployed; `novacron up -s dev`" in capsys.readouterr().err
    assert not (project / "state.json").exists()


def test_the_cli_reports_a_stack_that_was_never_deployed_in_the_same_words(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "bin").mkdir()
    (project / "bin/pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'dev' found\" >&2\nexit 255\n")
    (project / "bin/pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}/bin:/usr/bin:/bin")
    assert novacron("export", "-s", "dev") == 1
    assert "stack dev has no state to export: it is not deployed" in capsys.readouterr().err


def test_an_export_over_a_readable_file_is_readable_by_its_owner_only(project: Path) -> None:
    deploy_nothing(project)
    file = project / "state.json"
    file.touch(mode=0o644)
    file.chmod(0o644)
    assert novacron("export", "-s", "dev", "--show-secrets", "--file", "state.json") == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["version"] == 3


def test_an_export_to_a_link_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "target").touch()
    (project / "state.json").symlink_to(project / "target")
    assert novacron("export", "-s", "dev", "--file", "state.json") == 2
    assert "--file state.json is a symbolic link" in capsys.readouterr().err
    assert (project / "target").read_text() == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "state.json cannot be read: No such file or directory"),
        ("{", "state.json is not JSON"),
        ("[" * 5000, "state.json is not JSON"),
        ("[]", "state.json is not an exported state: it must be a JSON object"),
    ],
    ids=["missing", "truncated", "nested", "a list"],
)
def test_a_file_that_is_not_an_exported_state_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    if content is not None:
        (project / "state.json").write_text(content)
    assert novacron("import", "state.json", "-s", "dev") == 2
    assert message in capsys.readouterr().err
