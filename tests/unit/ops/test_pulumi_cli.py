"""The Pulumi CLI as backend: which of its errors mean that a stack is not deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ops.running import novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text("config: {novacron:environment: {platform: local}}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def install_cli(project: Path, script: str) -> None:
    """Put a `pulumi` on PATH that runs a shell script."""
    (project / "bin/pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (project / "bin/pulumi").chmod(0o755)


@pytest.mark.parametrize("command", ["status", "key"])
def test_a_stack_that_the_cli_does_not_know_is_not_deployed(
    project: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install_cli(project, "echo \"error: no stack named 'local' found\" >&2; exit 255")
    assert novacron(command) == 1
    printed = capsys.readouterr()
    assert "stack local is not deployed; `novacron up -s local` deploys it" in printed.out + printed.err


@pytest.mark.parametrize("command", ["status", "key"])
def test_any_other_error_of_the_cli_is_shown(project: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    install_cli(project, "echo 'error: could not deserialize deployment' >&2; exit 255")
    assert novacron(command) == 1
    printed = capsys.readouterr()
    assert "`pulumi stack output --json --stack local` failed: error: could not deserialize" in printed.err
    assert "not deployed" not in printed.out + printed.err


def test_a_failed_destroy_of_the_cli_leaves_local_processes_alone(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = project / ".novacron/run/local/worker-0"
    worker.mkdir(parents=True)
    (worker / "lock").touch()
    install_cli(project, 'case "$*" in *destroy*) echo "error: the stack is currently locked" >&2; exit 255 ;; esac')
    assert novacron("down") == 1
    assert "some resources of stack local were not removed" in capsys.readouterr().err
    assert (worker / "lock").exists()


def test_the_cli_finds_the_provider_of_local_stacks(project: Path) -> None:
    install_cli(project, "command -v pulumi-resource-novacron-local > found; echo '{}'")
    novacron("status")
    assert (project / "found").read_text().endswith("pulumi-resource-novacron-local\n")
