"""Runs a scenario on the Pulumi CLI from PATH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.rehearsal import pulumi_cli
from tests.rehearsal.parity import observe, scenario
from tests.rehearsal.parity.provider import Cloud, serve


def run(wanted: scenario.Scenario, folder: Path) -> list[dict[str, Any]]:
    """Every step's observation; `folder` is empty and becomes the project's."""
    scenario.prepare(wanted, folder)
    (folder / ".state").mkdir()
    cloud = Cloud()
    cloud.world.update(wanted.exists)
    with serve(cloud) as ports:
        for stack in sorted({step.stack for step in wanted.steps}):
            _pulumi(folder, ports, "stack", "init", stack)
        return [_step(step, folder, cloud, ports) for step in wanted.steps]


def _step(step: scenario.Step, folder: Path, cloud: Cloud, ports: dict[str, int]) -> dict[str, Any]:
    scenario.configure(step, folder)
    cloud.begin(step.failing, step.drift)
    known = _export(folder, ports, step.stack)["deployment"].get("resources", [])
    options = ["--stack", step.stack, "--parallel", str(step.parallel)]
    for flag, wanted in (("--target", step.targets), ("--replace", step.replace)):
        for urn in scenario.find_urns(wanted, known):
            options += [flag, urn]
    for pattern in step.exclude:
        options += ["--exclude", pattern]
    going_on = ["--continue-on-error"] if step.continue_on_error else []
    if step.target_dependents:
        options.append("--target-dependents")
    if step.pack:
        options += ["--policy-pack", str(folder / step.pack)]
    seen: dict[str, Any] = {}
    if step.operation in ("up", "preview"):
        seen["preview"] = _operate(folder, ports, ["preview", *options])
    if step.operation != "preview":
        cloud.calls.clear()
        skip = [] if step.previewed else ["--skip-preview"]
        seen["run"] = _operate(folder, ports, [step.operation, "--yes", *skip, *going_on, *options])
        seen["calls"] = observe.calls(cloud.calls, ordered=step.ordered)
        exported = _export(folder, ports, step.stack)
        seen["state"] = observe.state(exported)
        seen["pending"] = observe.pending(exported)
    return seen


def _operate(folder: Path, ports: dict[str, int], arguments: list[str]) -> dict[str, Any]:
    log = folder / ".events"
    log.unlink(missing_ok=True)
    done = _pulumi(folder, ports, *arguments, "--event-log", str(log), check=False)
    taken: list[tuple[str, str, dict[str, str] | None]] = []
    failed: set[tuple[str, str]] = set()
    errors: list[str] = []
    # Only the end of a refresh tells what it found.
    kind = "resOutputsEvent" if arguments[0] == "refresh" else "resourcePreEvent"
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if diagnostic := event.get("diagnosticEvent"):
            if diagnostic["severity"] == "error":
                errors.append(_short(diagnostic["message"]))
            if diagnostic["message"].startswith("Preview failed:"):
                # Previews tell of failed steps only so.
                failed.update(item[:2] for item in taken if item[1] == diagnostic.get("urn"))
        elif arguments[0] != "preview" and event.get(kind, {}).get("planning"):
            continue
        elif metadata := event.get(kind, {}).get("metadata"):
            detail = metadata.get("detailedDiff") or {}
            taken.append((metadata["op"], metadata["urn"], {path: diff["diffKind"] for path, diff in detail.items()}))
        elif metadata := event.get("resOpFailedEvent", {}).get("metadata"):
            failed.add((metadata["op"], metadata["urn"]))
    succeeded = [item for item in taken if item[:2] not in failed]
    return {"ok": done.returncode == 0, **observe.steps(succeeded), "errors": errors}


def _short(message: str) -> str:
    """Without the traceback, whose paths are those of one machine."""
    lines = message.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def _export(folder: Path, ports: dict[str, int], stack: str) -> dict[str, Any]:
    return json.loads(_pulumi(folder, ports, "stack", "export", "--show-secrets", "--stack", stack).stdout)


def _pulumi(
    folder: Path, ports: dict[str, int], *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return pulumi_cli.run(
        folder, *arguments, backend=folder / ".state", passphrase=scenario.PASSPHRASE, providers=ports, check=check
    )
