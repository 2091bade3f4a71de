"""NovaCron's own provider of `random`, which serves real stacks where Pulumi's is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_rehearsal import Options, Workspace
from novacron_rehearsal.values import UNKNOWN, Secret

PROGRAM = """
import pulumi
from pulumi_random import RandomId, RandomPassword
made = RandomPassword("made", length=20, override_special="-_", keepers={"round": "%s"})
pulumi.export("made", made.result)
pulumi.export("id", RandomId("id", byte_length=4).hex)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "Pulumi.yaml").write_text("name: lab\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM % "one")
    env = {"PATH": "/usr/bin:/bin", "PULUMI_HOME": str(tmp_path / "home")}
    return Workspace(tmp_path, "dev", passphrase="correct horse", env=env)


def test_values_are_random_stay_as_they_are_and_change_with_their_inputs(workspace: Workspace) -> None:
    options = Options(in_process=True)
    preview = workspace.preview(options)
    assert preview.succeeded, preview.errors
    assert preview.outputs["id"] is UNKNOWN
    first = workspace.up(options)
    assert first.succeeded, first.errors
    made = first.outputs["made"]
    assert isinstance(made, Secret)
    assert isinstance(made.value, str)
    assert len(made.value) == 20
    assert "NovaCron's own provider generates values" in "".join(item.message for item in first.diagnostics)
    assert workspace.refresh(options).succeeded
    assert workspace.up(options).outputs == first.outputs
    (workspace.project_dir / "__main__.py").write_text(PROGRAM % "two")
    changed = workspace.up(options)
    assert changed.outputs["made"] != made
    assert changed.outputs["id"] == first.outputs["id"]
    assert workspace.destroy(options).succeeded


def test_a_rehearsal_does_not_use_it(workspace: Workspace) -> None:
    refused = workspace.up(Options(in_process=True, simulated_only=True))
    assert "package 'random' is not simulated" in refused.errors
