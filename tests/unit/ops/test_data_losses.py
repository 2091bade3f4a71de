"""Changes that lose data: named by `preview`, and made by `up` only if they are wanted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from novacron_ops import backends
from novacron_ops.backends import RunOutcome
from novacron_rehearsal import Operation, StepOp

from tests.unit.ops.running import copy_stacks, novacron

REGION = "urn:pulumi:dev::novacron::novacron:index:AwsRegion$"
DATABASE = f"{REGION}aws:rds/instance:Instance::dev-us-west-2-postgres"
CLUSTER = f"{REGION}aws:eks/cluster:Cluster::dev-us-west-2-cluster"
ROLE = f"{REGION}aws:iam/role:Role::dev-us-west-2-role"
LOST = (
    "  - replaces the database of us-west-2 (dev-us-west-2-postgres): its data is lost. To keep the data, take a "
    "snapshot or a dump first and restore it into the new database."
)


@dataclass
class PlanningBackend:
    """A backend whose runs have steps."""

    steps: list[tuple[StepOp, str]]
    outcome: RunOutcome = RunOutcome.SUCCEEDED
    description: str = "backend of a test"
    runs: list[Operation] = field(default_factory=list)

    def run(
        self, operation: Operation, *, on_step: Callable[[StepOp, str], None] | None = None, **options: Any
    ) -> RunOutcome:
        assert options.get("previewed", False) is (operation is Operation.UP)
        self.runs.append(operation)
        for op, urn in self.steps:
            if on_step is not None:
                on_step(op, urn)
        return self.outcome

    def outputs(self) -> dict[str, Any]:
        return {}

    def urns(self) -> list[str]:
        return [DATABASE, CLUSTER, ROLE]

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        assert show_secrets
        return {}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_stacks(tmp_path, "dev", "staging")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, *steps: tuple[StepOp, str], **options: Any) -> PlanningBackend:
    backend = PlanningBackend(list(steps), **options)

    def open_backend(*_: object) -> PlanningBackend:
        return backend

    monkeypatch.setattr(backends, "open_backend", open_backend)
    return backend


def test_a_preview_names_what_is_lost_and_how_to_keep_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, (StepOp.UPDATE, CLUSTER), (StepOp.REPLACE, ROLE), (StepOp.REPLACE, DATABASE))
    assert novacron("preview", "-s", "dev") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("This change loses data:") + 1] == LOST
    assert len([line for line in lines if line.startswith("  - ")]) == 1
    assert lines[-1] == "Undo the change of the configuration to keep everything."


def test_a_deleted_cluster_and_a_replaced_one_are_named_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, (StepOp.DELETE, CLUSTER))
    novacron("preview", "-s", "dev")
    assert "  - deletes the Kubernetes cluster of us-west-2 (dev-us-west-2-cluster)" in capsys.readouterr().out
    use(monkeypatch, (StepOp.CREATE_REPLACEMENT, CLUSTER), (StepOp.DELETE_REPLACED, CLUSTER))
    novacron("preview", "-s", "dev")
    assert "  - replaces the Kubernetes cluster of us-west-2 (dev-us-west-2-cluster)" in capsys.readouterr().out


def test_a_change_that_loses_nothing_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, (StepOp.UPDATE, DATABASE), (StepOp.REPLACE, ROLE), (StepOp.CREATE, CLUSTER))
    assert novacron("preview", "-s", "dev") == 0
    assert "loses data" not in capsys.readouterr().out


def test_a_protected_environment_names_its_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = use(monkeypatch, (StepOp.REPLACE, DATABASE), outcome=RunOutcome.FAILED)
    assert novacron("up", "-s", "staging") == 1
    printed = capsys.readouterr()
    assert "set protected: false, run `novacron up -s staging`" in printed.out
    assert "stack staging was not changed: its preview failed" in printed.err
    assert backend.runs == [Operation.PREVIEW]


def test_an_update_without_a_terminal_is_refused_unless_the_loss_is_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = use(monkeypatch, (StepOp.REPLACE, DATABASE))
    assert novacron("up", "-s", "dev") == 1
    printed = capsys.readouterr()
    assert LOST in printed.out
    assert "stack dev was not changed: the change loses data" in printed.err
    assert "--allow-data-loss" in printed.err
    assert backend.runs == [Operation.PREVIEW]
    assert novacron("up", "-s", "dev", "--allow-data-loss") == 0
    assert backend.runs[1:] == [Operation.PREVIEW, Operation.UP]


@pytest.mark.parametrize("answer", [True, False])
def test_an_update_on_a_terminal_asks(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    backend = use(monkeypatch, (StepOp.REPLACE, DATABASE))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    def confirm(question: str) -> bool:
        assert question == "Make the change?"
        return answer

    monkeypatch.setattr(typer, "confirm", confirm)
    assert novacron("up", "-s", "dev") == (0 if answer else 1)
    assert (Operation.UP in backend.runs) is answer


def test_an_update_that_loses_nothing_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = use(monkeypatch, (StepOp.UPDATE, DATABASE))
    assert novacron("up", "-s", "dev") == 0
    assert backend.runs == [Operation.PREVIEW, Operation.UP]


def test_the_steps_of_the_pulumi_cli_are_read_from_its_events(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"sequence": 1, "resourcePreEvent": {"metadata": {"op": "replace", "urn": DATABASE}}}
    (project / "events").write_text(json.dumps({"preludeEvent": {}}) + "\n" + json.dumps(event) + "\n")
    (project / "bin").mkdir()
    script = f'case "$*" in *" preview "*) cp {project}/events "${{@: -1}}" ;; *) echo "{{}}" ;; esac'
    (project / "bin/pulumi").write_text(f"#!/bin/bash\n{script}\n")
    (project / "bin/pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{project / 'bin'}:/usr/bin:/bin")
    assert novacron("preview", "-s", "dev") == 0
    assert LOST in capsys.readouterr().out
