"""Runs a scenario on the rehearsal engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from novacron_rehearsal import Options, PolicyPackSpec, Result, Workspace

from tests.rehearsal.parity import observe, scenario
from tests.rehearsal.parity.provider import Cloud, serve


def run(wanted: scenario.Scenario, folder: Path) -> list[dict[str, Any]]:
    """Every step's observation; `folder` is empty and becomes the project's."""
    scenario.prepare(wanted, folder)
    cloud = Cloud()
    cloud.world.update(wanted.exists)
    with serve(cloud) as ports:
        return [_step(step, folder, cloud, ports) for step in wanted.steps]


def _step(step: scenario.Step, folder: Path, cloud: Cloud, ports: dict[str, int]) -> dict[str, Any]:
    scenario.configure(step, folder)
    cloud.begin(step.failing, step.drift)
    workspace = Workspace(folder, step.stack, passphrase=scenario.PASSPHRASE)
    known = workspace.export()["deployment"].get("resources", [])
    options = Options(
        in_process=True,
        parallel=step.parallel,
        attached_providers=ports,
        targets=scenario.find_urns(step.targets, known),
        target_dependents=step.target_dependents,
        exclude=step.exclude,
        continue_on_error=step.continue_on_error,
        replace=scenario.find_urns(step.replace, known),
        policy_packs=[PolicyPackSpec(folder / step.pack)] if step.pack else (),
    )
    seen: dict[str, Any] = {}
    if step.operation in ("up", "preview"):
        seen["preview"] = _result(workspace.preview(options))
    if step.operation != "preview":
        cloud.calls.clear()
        seen["run"] = _result(getattr(workspace, step.operation)(options))
        seen["calls"] = observe.calls(cloud.calls, ordered=step.ordered)
        exported = workspace.export(show_secrets=True)
        seen["state"] = observe.state(exported)
        seen["pending"] = observe.pending(exported)
    return seen


def _result(result: Result) -> dict[str, Any]:
    taken = [
        (step.op.value, step.urn, {path: diff.kind.value for path, diff in step.detailed_diff.items()})
        for step in result.steps
    ]
    return {"ok": result.succeeded, **observe.steps(taken), "errors": result.errors.splitlines()}
