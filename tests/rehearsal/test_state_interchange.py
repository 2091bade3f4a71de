"""The engine's state and the Pulumi CLI's are one: either opens what the other wrote. A killed run loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from novacron_rehearsal import Workspace
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.state.resource import OperationKind
from novacron_rehearsal.state.secrets import WrongPassphraseError
from novacron_rehearsal.values import Secret

from tests.rehearsal.conftest import Lab
from tests.rehearsal.pulumi_cli import needs_pulumi, run

PROGRAM = """
network = Thing("network", cidr="10.0.0.0/16", tags={"team": "inference", "shared": True})
group = Group("group")
password = Output.secret("hunter2-very-secret")
database = Thing("database", O(parent=group, depends_on=[network]), network=network.made, password=password)
listed = Thing("listed", O(protect=True, aliases=[pulumi.Alias(name="old")]), items=[1, 2.5, None, "x"], size=3)
files = Thing("files", content=pulumi.StringAsset("hello"), bundle=pulumi.AssetArchive({"a": pulumi.StringAsset("b")}))
pulumi.export("made", database.made)
pulumi.export("password", password)
"""


def pulumi_cli(lab: Lab, backend: Path, *arguments: str) -> str:
    """Run the Pulumi CLI on the lab's project; its output."""
    return run(lab.folder, *arguments, backend=backend, passphrase="correct horse", providers={"sim": lab.port}).stdout


def resources(exported: dict[str, Any]) -> Any:
    """An export's resources without times, which differ in their precision."""
    return [
        {key: value for key, value in item.items() if key not in ("created", "modified")}
        for item in exported["deployment"]["resources"]
    ]


def test_an_export_imports_into_an_empty_backend(lab: Lab, tmp_path: Path) -> None:
    assert lab.up(PROGRAM).succeeded
    exported = lab.workspace.export()
    assert "hunter2" not in json.dumps(exported)
    other = Workspace(lab.folder, "dev", passphrase="correct horse", backend_dir=tmp_path / "other")
    other.import_(json.loads(json.dumps(exported)))
    assert other.snapshot().resources == lab.workspace.snapshot().resources
    assert other.outputs()["password"] == Secret("hunter2-very-secret")
    assert other.preview(lab.options(expect_no_changes=True)).succeeded


def test_an_export_with_secrets_shown_needs_no_passphrase(lab: Lab, tmp_path: Path) -> None:
    assert lab.up(PROGRAM).succeeded
    exported = lab.workspace.export(show_secrets=True)
    assert "hunter2-very-secret" in json.dumps(exported)
    del exported["deployment"]["secrets_providers"]
    other = Workspace(lab.folder, "dev", passphrase="another one", backend_dir=tmp_path / "other")
    other.import_(exported)
    assert other.outputs()["password"] == Secret("hunter2-very-secret")
    assert "hunter2" not in (tmp_path / "other/.pulumi/stacks/lab/dev.json").read_text()


def test_an_import_of_another_stack_project_or_version_is_refused(lab: Lab, tmp_path: Path) -> None:
    assert lab.up(PROGRAM).succeeded
    before = lab.workspace.snapshot()
    exported = lab.workspace.export()
    other = Workspace(lab.folder, "prod", passphrase="correct horse", backend_dir=tmp_path / "other")
    with pytest.raises(RehearsalError, match=r"of stack 'dev'.*must be of stack 'prod'"):
        other.import_(exported)
    with pytest.raises(RehearsalError, match="has version 4; only version 3"):
        lab.workspace.import_({**exported, "version": 4})
    with pytest.raises(RehearsalError, match="no `deployment`"):
        lab.workspace.import_({"version": 3})
    with pytest.raises(WrongPassphraseError):
        Workspace(lab.folder, "dev", passphrase="wrong", backend_dir=tmp_path / "third").import_(exported)
    assert lab.workspace.snapshot() == before


KILLED_ENGINE = """
import sys
from pathlib import Path
from novacron_rehearsal import Options, Workspace
workspace = Workspace(Path(sys.argv[1]), "dev", passphrase="correct horse")
workspace.up(Options(in_process=True, attached_providers={"sim": int(sys.argv[2])}))
"""


def test_a_run_killed_during_a_create_is_shown_and_completed_by_the_next(lab: Lab) -> None:
    program = """
        first = Thing("first", password=Output.secret("hunter2"))
        Thing("second", O(depends_on=[first]), hold={hold})
    """
    lab.write(program.format(hold=True))
    engine = subprocess.Popen([sys.executable, "-c", KILLED_ENGINE, str(lab.folder), str(lab.port)])
    assert lab.provider.creating.wait(20)
    engine.send_signal(signal.SIGKILL)
    engine.wait(10)
    lab.provider.release.set()
    assert not (lab.folder / ".novacron/.pulumi/stacks/lab/dev.json").exists()

    # Without the program, the state is what the killed run knew.
    refused = lab.up("raise SystemExit(3)")
    assert not refused.succeeded
    (operation,) = lab.workspace.snapshot().pending_operations
    assert (operation.kind, operation.resource.urn.rsplit("::", 1)[-1]) == (OperationKind.CREATING, "second")
    assert lab.state()["first"].inputs["password"] == Secret("hunter2")

    completed = lab.up(program.format(hold=False))
    assert completed.succeeded, completed.errors
    assert any("second" in item.urn + item.message for item in completed.diagnostics)
    assert lab.steps(completed) == [("create", "second")]
    assert lab.workspace.snapshot().pending_operations == []
    assert lab.provider.names("Create") == ["first", "second", "second"]


@pytest.mark.pulumi
@needs_pulumi
def test_the_cli_opens_the_engines_state_in_place(lab: Lab) -> None:
    assert lab.up(PROGRAM).succeeded
    backend = lab.folder / ".novacron"
    before = lab.workspace.snapshot().resources
    pulumi_cli(lab, backend, "preview", "--stack", "dev", "--expect-no-changes")
    pulumi_cli(lab, backend, "up", "--stack", "dev", "--yes", "--expect-no-changes")
    shown = json.loads(pulumi_cli(lab, backend, "stack", "output", "--stack", "dev", "--json", "--show-secrets"))
    assert shown["password"] == "hunter2-very-secret"
    # And the engine opens what the CLI then wrote, and finds nothing to do.
    after = lab.workspace.snapshot().resources
    assert {s.urn: (s.id, s.inputs, s.outputs) for s in after} == {s.urn: (s.id, s.inputs, s.outputs) for s in before}
    again = lab.preview(expect_no_changes=True)
    assert again.succeeded, again.errors


@pytest.mark.pulumi
@needs_pulumi
def test_the_cli_imports_the_engines_export_and_back(lab: Lab, tmp_path: Path) -> None:
    assert lab.up(PROGRAM).succeeded
    backend = tmp_path / "cli"
    backend.mkdir()
    file = tmp_path / "export.json"
    file.write_text(json.dumps(lab.workspace.export()))
    pulumi_cli(lab, backend, "stack", "init", "dev")
    pulumi_cli(lab, backend, "stack", "import", "--stack", "dev", "--file", str(file))
    pulumi_cli(lab, backend, "preview", "--stack", "dev", "--expect-no-changes")
    shown = json.loads(pulumi_cli(lab, backend, "stack", "export", "--stack", "dev", "--show-secrets"))
    assert resources(shown) == resources(lab.workspace.export(show_secrets=True))
    third = Workspace(lab.folder, "dev", passphrase="correct horse", backend_dir=tmp_path / "third")
    third.import_(shown)
    assert third.snapshot().resources == lab.workspace.snapshot().resources
    assert third.preview(lab.options(expect_no_changes=True)).succeeded
