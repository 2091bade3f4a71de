"""A run with `simulated_only` starts no real provider and runs no dynamic provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_rehearsal import Severity
from novacron_rehearsal.values import UNKNOWN

from tests.rehearsal.conftest import Lab

DYNAMIC = """
from pathlib import Path
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class Real(ResourceProvider):
    def check(self, olds, news):
        Path("really-made").write_text("checked")
        raise AssertionError
    def create(self, props):
        Path("really-made").write_text("created")
        return CreateResult("real", {**props, "length": 5})

class Note(Resource):
    text: pulumi.Output[str]
    length: pulumi.Output[int]
    def __init__(self, name, text, opts=None):
        super().__init__(Real(), name, {"text": text, "length": None}, opts)

note = Note("note", "hello")
other = Note("other", note.text.apply(lambda text: text + "!"))
Thing("dependent", size=note.length, text=other.text)
pulumi.export("text", other.text)
pulumi.export("length", note.length)
"""
PLUGIN = '#!/bin/sh\necho started > "{marker}"\nexit 1\n'


def write_plugin(folder: Path, package: str, marker: Path) -> Path:
    folder.mkdir(parents=True)
    executable = folder / f"pulumi-resource-{package}"
    executable.write_text(PLUGIN.format(marker=marker))
    executable.chmod(0o755)
    return executable


def test_dynamic_resources_are_simulated_and_reported(lab: Lab) -> None:
    result = lab.up(DYNAMIC, simulated_only=True)
    assert result.succeeded, result.errors
    assert not (lab.folder / "really-made").exists()
    assert result.outputs == {"text": "hello!", "length": UNKNOWN}
    assert [urn.rpartition("::")[2] for urn in result.simulated_dynamic] == ["note", "other"]
    warned = [item for item in result.diagnostics if item.severity is Severity.WARNING]
    assert [item.urn for item in warned] == list(result.simulated_dynamic)
    assert all("its dynamic provider did not run" in item.message for item in warned)
    assert lab.state()["dependent"].inputs == {"size": UNKNOWN, "text": "hello!"}
    assert result.started_plugins == frozenset()


def test_a_simulated_dynamic_resource_can_change_and_be_deleted(lab: Lab) -> None:
    assert lab.up(DYNAMIC, simulated_only=True).succeeded
    assert lab.steps(lab.up(simulated_only=True)) == []
    changed = lab.up(DYNAMIC.replace('"hello"', '"bye"'), simulated_only=True)
    assert changed.succeeded, changed.errors
    assert ("update", "note") in lab.steps(changed)
    assert changed.outputs["text"] == "bye!"
    assert lab.workspace.destroy(lab.options(simulated_only=True)).succeeded
    assert not (lab.folder / "really-made").exists()


def test_a_dynamic_provider_runs_when_the_user_allows_it_by_name(lab: Lab) -> None:
    program = DYNAMIC.replace(
        "raise AssertionError", "from pulumi.dynamic import CheckResult; return CheckResult(news, [])"
    )
    result = lab.up(program, simulated_only=True, real_packages=frozenset({"pulumi-python"}))
    assert result.succeeded, result.errors
    assert (lab.folder / "really-made").read_text() == "created"
    assert result.simulated_dynamic == ()
    assert result.started_plugins == {"pulumi-python"}


@pytest.mark.parametrize("place", ["PATH", "PULUMI_HOME", "Pulumi.yaml", "PULUMI_DEBUG_PROVIDERS"])
def test_no_plug_in_is_started_wherever_one_is_found(lab: Lab, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = lab.folder / "started"
    bin_folder = lab.folder / "bin"
    env: dict[str, str] = {}
    if place == "PATH":
        write_plugin(bin_folder, "command", marker)
        monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    elif place == "PULUMI_HOME":
        write_plugin(lab.folder / "home" / "plugins" / "resource-command-v1.0.0", "command", marker)
        monkeypatch.setenv("PULUMI_HOME", str(lab.folder / "home"))
    elif place == "Pulumi.yaml":
        write_plugin(bin_folder, "command", marker)
        (lab.folder / "Pulumi.yaml").write_text(
            "name: lab\nruntime: python\nplugins: {providers: [{name: command, path: bin}]}\n"
        )
    else:
        env = {"PULUMI_DEBUG_PROVIDERS": f"command:{lab.port}"}
    lab.reopen(env)
    program = 'Thing("run", token="command:local:Command", create="touch made")'
    result = lab.up(program, simulated_only=True)
    assert not result.succeeded
    assert "package 'command' is not simulated, and a rehearsal starts no real provider" in result.errors
    assert "Simulated packages: sim." in result.errors
    assert not marker.exists()
    assert result.started_plugins == frozenset()


def test_a_function_of_a_package_that_is_not_simulated_is_refused(lab: Lab) -> None:
    result = lab.up('pulumi.runtime.invoke("command:local:run", {"command": "touch made"})', simulated_only=True)
    assert not result.succeeded
    assert "package 'command' is not simulated" in result.errors
