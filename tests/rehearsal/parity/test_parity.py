"""The engine does what the Pulumi CLI does: against its recorded results, and against itself where it is on PATH.

`python -m tests.rehearsal.parity.record` records the CLI's results again.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal import pulumi_cli
from tests.rehearsal.parity import on_cli, on_engine, scenario
from tests.rehearsal.parity.record import RECORDED, surprises


def differences(wanted: scenario.Scenario, theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """Return the differences as text; `-` is the CLI, `+` the engine."""
    found: list[str] = []
    for step, their, our in zip(wanted.steps, theirs, ours, strict=True):
        for part, reason in step.differs.items():
            if their[part] == our[part]:
                found.append(f"{step.title}: {part} does not differ any more ({reason})")
        for part in sorted({*their, *our} - {*step.differs}):
            lines = difflib.unified_diff(_lines(part, their, their), _lines(part, our, their), lineterm="", n=2)
            difference = list(lines)[2:]
            if difference:
                found += [f"{step.title}: {part}", *(f"    {line}" for line in difference)]
                if part in ("run", "preview"):
                    found += [f"    engine reported: {text}" for text in our[part]["errors"]]
    return "\n".join(found)


def _lines(part: str, seen: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    value = seen.get(part)
    if part in ("preview", "run") and value is not None:
        # A provider's own detailed diff reaches the CLI's events; the engine also works out those of other providers.
        told = theirs[part]["details"]
        details = {key: detail for key, detail in value["details"].items() if key in told}
        value = {"ok": value["ok"], "steps": value["steps"], "details": details}
    if isinstance(value, list):
        return [json.dumps(item) for item in value]
    lines: list[str] = []
    for key, item in (value or {}).items():
        if isinstance(item, (list, dict)) and item:
            pairs = item.items() if isinstance(item, dict) else (("", entry) for entry in item)
            lines += sorted(f"{key}: {name} {json.dumps(entry, sort_keys=True)}" for name, entry in pairs)
        else:
            lines.append(f"{key}: {json.dumps(item)}")
    return sorted(lines)


@pytest.mark.parametrize("name", scenario.names())
def test_the_engine_does_what_the_cli_was_recorded_to_do(name: str, tmp_path: Path) -> None:
    wanted = scenario.load(name)
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    ours = on_engine.run(wanted, tmp_path)
    assert not differences(wanted, recorded["steps"], ours), differences(wanted, recorded["steps"], ours)


@pytest.mark.pulumi
@pulumi_cli.needs_pulumi
@pytest.mark.parametrize("name", scenario.names())
def test_the_engine_does_what_the_cli_does(name: str, tmp_path: Path) -> None:
    wanted = scenario.load(name)
    theirs = on_cli.run(wanted, tmp_path / "cli")
    assert not surprises(wanted, theirs)
    ours = on_engine.run(wanted, tmp_path / "engine")
    assert not differences(wanted, theirs, ours), differences(wanted, theirs, ours)
