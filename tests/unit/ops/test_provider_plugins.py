"""A cloud stack without provider plugins is refused at once, with the command that needs none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from novacron_ops.backends.provider_plugins import check_plugins
from novacron_ops.project import ProjectStack

from tests.unit.ops.running import copy_stacks, novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "prod", "trial", "local")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PULUMI_DEBUG_PROVIDERS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["preview", "up"])
def test_without_plugins_a_cloud_stack_is_refused_before_its_program_runs(
    project: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "__main__.py").write_text("raise SystemExit('the program ran')")
    assert novacron(command, "-s", "prod") == 2
    output = capsys.readouterr()
    assert "needs the provider plugin of aws, and" in output.err
    assert "run `novacron rehearse -s prod`" in output.err
    assert "the program ran" not in output.out + output.err


@pytest.mark.parametrize("place", ["PATH", "PULUMI_HOME", "PULUMI_DEBUG_PROVIDERS", "Pulumi.yaml"])
def test_a_plugin_is_found_wherever_the_engine_finds_it(
    project: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = {"PATH": project / "bin", "PULUMI_HOME": project / "home/plugins/resource-aws-v7.0.0"}.get(
        place, project / "elsewhere"
    )
    folder.mkdir(parents=True)
    (folder / "pulumi-resource-aws").touch(mode=0o755)
    (project / "bin").mkdir(exist_ok=True)
    (project / "bin/pulumi-resource-random").touch(mode=0o755)
    if place == "PULUMI_DEBUG_PROVIDERS":
        monkeypatch.setenv(place, "gcp:1,aws:2")
    if place == "Pulumi.yaml":
        (project / place).write_text(
            "name: novacron\nruntime: python\nplugins: {providers: [{name: aws, path: elsewhere}]}\n"
        )
    check_plugins(ProjectStack(project, "prod"))


def test_a_configuration_with_problems_is_left_to_the_program(project: Path) -> None:
    (project / "Pulumi.prod.yaml").write_text("config: {novacron:environment: {platform: moon}}\n")
    check_plugins(ProjectStack(project, "prod"))
    check_plugins(ProjectStack(project, "local"))


def test_a_stack_in_a_cluster_needs_no_plugins_of_pulumi(project: Path) -> None:
    check_plugins(ProjectStack(project, "trial"))


def test_a_stack_in_a_cluster_needs_the_client_of_kubernetes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del project
    monkeypatch.setitem(sys.modules, "kubernetes", None)  # as if it were not installed
    assert novacron("up", "-s", "trial") == 2
    shown = capsys.readouterr().err
    assert "the Python client of Kubernetes, which is not installed: `pip install 'novacron[kubernetes]'`" in shown
    assert "in a clone of the repository `make up STACK=trial`" in shown
