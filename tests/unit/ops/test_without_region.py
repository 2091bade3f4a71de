"""`--without-region`: the URN patterns that the backend excludes, and the regions that cannot be left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from novacron_ops import backends, local_processes
from novacron_ops.backends import RunOutcome
from novacron_rehearsal import Operation
from novacron_rehearsal.engine.run import Run
from novacron_rehearsal.engine.selection import Selection

from tests.unit.ops.running import copy_stacks, novacron

URN = "urn:pulumi:prod::novacron::novacron:index:AwsRegion$aws:eks/cluster:Cluster::"
REGIONS = ("us-west-2", "us-east-1", "eu-north-1", "ap-northeast-1")
COMMANDS = {"up": Operation.UP, "preview": Operation.PREVIEW, "down": Operation.DESTROY}


@dataclass
class RecordingBackend:
    """A backend that does nothing and records its runs."""

    description: str = "backend of a test"
    runs: list[tuple[Operation, dict[str, Any]]] = field(default_factory=list)

    def run(self, operation: Operation, **options: Any) -> RunOutcome:
        self.runs.append((operation, options))
        return RunOutcome.SUCCEEDED

    def outputs(self) -> dict[str, Any]:
        return {}

    def urns(self) -> list[str]:
        return [f"{URN}prod-{region}-cluster" for region in REGIONS]

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        assert show_secrets
        return {}

    def forget(self) -> None:
        pass


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingBackend:
    copy_stacks(tmp_path, "prod", "trial", "local")
    recording = RecordingBackend()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backends, "open_backend", lambda *_: recording)
    monkeypatch.setattr(local_processes, "stop_leftovers", lambda _: [])
    return recording


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_excludes_all_resources_of_the_region_and_no_others(backend: RecordingBackend, name: str) -> None:
    assert novacron(name, "-s", "prod", "--without-region", "us-east-1") == 0
    operation, options = backend.runs[-1]
    assert operation is COMMANDS[name]
    assert {run["exclude"] for _, run in backend.runs} == {("**::prod-us-east-1", "**::prod-us-east-1-*")}
    selection = Selection(Run(operation, "novacron", "prod", dry_run=False, exclude=options["exclude"]), {})
    assert selection.excludes(f"{URN}prod-us-east-1")
    assert selection.excludes(f"{URN}prod-us-east-1-workers-nodes")
    # Another region whose name begins alike, the names and their provider, the copies between regions.
    others = ("prod-us-east-10", "prod-us-west-2-cluster", "prod-api-route53-zone", "prod-dns", "prod-models-role")
    assert not any(selection.excludes(URN + other) for other in others)


@pytest.mark.parametrize(("name", "goes_on"), [("up", True), ("preview", None), ("down", True)])
def test_without_the_option_no_resource_is_excluded(backend: RecordingBackend, name: str, goes_on: bool | None) -> None:
    assert novacron(name, "-s", "prod") == 0
    _, options = backend.runs[-1]
    assert options["exclude"] == ()
    assert options.get("continue_on_error") is goes_on
    assert not options.get("refresh")  # a dead region could not be backend


def test_two_regions_are_excluded_together(backend: RecordingBackend) -> None:
    options = [item for region in REGIONS[1:3] for item in ("--without-region", region)]
    assert novacron("up", "-s", "prod", *options) == 0
    _, given = backend.runs[-1]
    assert given["exclude"] == tuple(
        pattern for region in REGIONS[1:3] for pattern in (f"**::prod-{region}", f"**::prod-{region}-*")
    )


@pytest.mark.parametrize(
    ("stack", "regions", "message"),
    [
        (
            "prod",
            ["eu-west-2"],
            f"--without-region eu-west-2: stack 'prod' has no such region; its regions are {', '.join(REGIONS)}",
        ),
        # DNS belongs to no region, so it can be changed while any region is unreachable.
        ("prod", ["dns"], "--without-region dns: stack 'prod' has no such region"),
        ("prod", ["eu-north-1", "EU-NORTH-1"], "--without-region EU-NORTH-1: stack 'prod' has no such region"),
        ("prod", REGIONS, "--without-region: all regions are left out"),
        ("local", ["us-west-2"], "--without-region: stack 'local' is local and has no regions"),
        ("trial", ["us-west-2"], "--without-region: stack 'trial' runs in one cluster and has no regions"),
    ],
    ids=["unknown", "dns", "upper-case", "all", "local", "cluster"],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_region_that_cannot_be_left_out_ends_with_2_before_the_backend_runs(
    backend: RecordingBackend,
    capsys: pytest.CaptureFixture[str],
    name: str,
    stack: str,
    regions: list[str],
    message: str,
) -> None:
    options = [item for region in regions for item in ("--without-region", region)]
    assert novacron(name, "-s", stack, *options) == 2
    assert message in capsys.readouterr().err
    assert backend.runs == []
