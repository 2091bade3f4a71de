"""`--without-region` accepts deployed regions only, with the Pulumi CLI and with the rehearsal engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from novacron_ops.backends import Backend, PulumiCli, RehearsalEngine
from novacron_ops.project import ProjectStack
from novacron_ops.regions import deployed_region_patterns
from rich.console import Console

from tests.unit.ops.running import copy_stacks, novacron

URN = "urn:pulumi:prod::novacron::"
STACK = URN + "pulumi:pulumi:Stack::novacron-prod"
PROVIDER = {
    "urn": URN + "pulumi:providers:aws::prod-eu-north-1",
    "custom": True,
    "id": "1",
    "type": "pulumi:providers:aws",
}
OTHER = {"urn": URN + "novacron:aws:Region::prod-eu-north-10-x", "custom": False, "type": "novacron:aws:Region"}
REGION = {"urn": URN + "novacron:aws:Region::prod-eu-north-1", "custom": False, "type": "novacron:aws:Region"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "prod")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    """An exported state with these resources."""
    stack = {"urn": STACK, "custom": False, "type": "pulumi:pulumi:Stack"}
    return {"version": 3, "deployment": {"manifest": {}, "resources": [stack, *resources]}}


def cli(project: Path, exported: dict[str, Any]) -> PulumiCli:
    """A fake Pulumi CLI with this state that records its arguments."""
    executable = project / "bin" / "pulumi"
    executable.parent.mkdir(exist_ok=True)
    (project / "exported.json").write_text(json.dumps(exported))
    executable.write_text('#!/bin/sh\necho "$@" >> calls\ncase "$*" in *"stack export"*) cat exported.json ;; esac\n')
    executable.chmod(0o755)
    return PulumiCli(str(executable), ProjectStack(project, "prod"))


def rehearsal(project: Path, exported: dict[str, Any]) -> RehearsalEngine:
    engine = RehearsalEngine(ProjectStack(project, "prod"), Console())
    engine.import_state(exported)
    return engine


Make = Callable[[Path, dict[str, Any]], Backend]
both = pytest.mark.parametrize("backend", [cli, rehearsal])


@both
def test_a_deployed_region_can_be_left_out(project: Path, backend: Make) -> None:
    stack = ProjectStack(project, "prod")
    patterns = deployed_region_patterns(stack, ["eu-north-1"], backend(project, state(PROVIDER, REGION)))
    assert patterns == ("**::prod-eu-north-1", "**::prod-eu-north-1-*")


def run(operation: str, engine: str) -> int:
    """Run a command without the region and return its exit status."""
    return novacron(operation, "--engine", engine, "-s", "prod", "--without-region", "eu-north-1")


@both
@pytest.mark.parametrize("operation", ["up", "preview"])
@pytest.mark.parametrize("resources", [[], [PROVIDER], [OTHER]], ids=["nothing", "its provider", "another's"])
def test_a_region_that_is_not_deployed_is_refused_before_anything_runs(
    project: Path,
    backend: Make,
    operation: str,
    resources: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend(project, state(*resources))
    monkeypatch.setenv("PATH", f"{project / 'bin'}:/usr/bin:/bin")
    assert run(operation, backend.__name__) == 2
    output = capsys.readouterr().err
    assert "--without-region eu-north-1: the state of stack 'prod' has no resources in this region" in output
    assert "remove eu-north-1 from novacron:environment.regions for now" in output
    calls = project / "calls"
    called = [line.split()[1] for line in calls.read_text().splitlines()] if calls.exists() else []
    assert set(called) <= {"stack"}  # `stack select` and `stack export`, no `up`


@pytest.mark.parametrize("engine", ["cli", "rehearsal"])
def test_a_stack_that_was_never_deployed_has_no_region_to_leave_out(
    project: Path, engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli(project, {"version": 3, "deployment": {"manifest": {}, "metadata": {}}})
    monkeypatch.setenv("PATH", f"{project / 'bin'}:/usr/bin:/bin")
    assert run("up", engine) == 2
    assert "has no resources in this region" in capsys.readouterr().err
