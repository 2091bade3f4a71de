"""`--without-region`: what the backend is asked to leave out, and which regions cannot be left out."""

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

from tests.unit.ops.running import novacron

ROOT = Path(__file__).parents[3]
URN = "urn:pulumi:prod::novacron::novacron:index:AwsRegion$aws:eks/cluster:Cluster::"
REGIONS = ("us-west-2", "us-east-1", "eu-west-1", "ap-southeast-1")
COMMANDS = {"up": Operation.UP, "preview": Operation.PREVIEW, "down": Operation.DESTROY}


@dataclass
class Asked:
    """A backend that does nothing and keeps what it was asked."""

    description: str = "backend of a test"
    runs: list[tuple[Operation, dict[str, Any]]] = field(default_factory=list)

    def run(self, operation: Operation, **options: Any) -> RunOutcome:
        self.runs.append((operation, options))
        return RunOutcome.SUCCEEDED

    def outputs(self) -> dict[str, Any]:
        return {}

    def urns(self) -> list[str]:
        return [f"{URN}prod-{region}-cluster" for region in REGIONS]

    def forget(self) -> None:
        pass


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml", "Pulumi.local.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    backend = Asked()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backends, "open_backend", lambda *_: backend)
    monkeypatch.setattr(local_processes, "stop_leftovers", lambda _: [])
    return backend


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_leaves_out_all_of_a_region_and_nothing_else(asked: Asked, name: str) -> None:
    assert novacron(name, "-s", "prod", "--without-region", "us-east-1") == 0
    ((operation, options),) = asked.runs
    assert operation is COMMANDS[name]
    assert options["exclude"] == ("**::prod-us-east-1", "**::prod-us-east-1-*")
    selection = Selection(Run(operation, "novacron", "prod", dry_run=False, exclude=options["exclude"]), {})
    assert selection.excludes(f"{URN}prod-us-east-1")
    assert selection.excludes(f"{URN}prod-us-east-1-workers-nodes")
    # Another region whose name begins alike, the names and their provider, the copies between regions.
    others = ("prod-us-east-10", "prod-us-west-2-cluster", "prod-api-route53-zone", "prod-dns", "prod-models-role")
    assert not any(selection.excludes(URN + other) for other in others)


@pytest.mark.parametrize(("name", "goes_on"), [("up", True), ("preview", None), ("down", True)])
def test_without_the_option_nothing_is_left_out(asked: Asked, name: str, goes_on: bool | None) -> None:
    assert novacron(name, "-s", "prod") == 0
    ((_, options),) = asked.runs
    assert options["exclude"] == ()
    assert options.get("continue_on_error") is goes_on
    assert not options.get("refresh")  # a dead region could not be asked


def test_two_dead_regions_are_left_out_together(asked: Asked) -> None:
    options = [item for region in REGIONS[1:3] for item in ("--without-region", region)]
    assert novacron("up", "-s", "prod", *options) == 0
    ((_, given),) = asked.runs
    assert given["exclude"] == tuple(
        pattern for region in REGIONS[1:3] for pattern in (f"**::prod-{region}", f"**::prod-{region}-*")
    )


@pytest.mark.parametrize(
    ("stack", "regions", "said"),
    [
        (
            "prod",
            ["eu-west-2"],
            f"--without-region eu-west-2: stack 'prod' has no such region; its regions are {', '.join(REGIONS)}",
        ),
        # The names are no region's: they are changed also while every region is dead.
        ("prod", ["dns"], "--without-region dns: stack 'prod' has no such region"),
        ("prod", ["eu-west-1", "EU-WEST-1"], "--without-region EU-WEST-1: stack 'prod' has no such region"),
        ("prod", REGIONS, "--without-region: all regions are left out"),
        ("local", ["us-west-2"], "--without-region: stack 'local' is local and has no regions"),
    ],
    ids=["unknown", "dns", "upper-case", "all", "local"],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_cannot_be_left_out_ends_with_2_before_anything_is_done(
    asked: Asked,
    capsys: pytest.CaptureFixture[str],
    name: str,
    stack: str,
    regions: list[str],
    said: str,
) -> None:
    options = [item for region in regions for item in ("--without-region", region)]
    assert novacron(name, "-s", stack, *options) == 2
    assert said in capsys.readouterr().err
    assert asked.runs == []
