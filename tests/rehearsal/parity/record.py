"""Records what the Pulumi CLI on PATH does: `python -m tests.rehearsal.parity.record [scenario …]`."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.rehearsal import pulumi_cli
from tests.rehearsal.parity import on_cli, scenario

RECORDED = Path(__file__).parent / "recorded"


def main(names: list[str]) -> int:
    """Record the scenarios so named, or all; exit status."""
    cli = pulumi_cli.version()
    if not cli:
        sys.stderr.write("there is no `pulumi` on PATH; install it with `novacron setup --pulumi`\n")
        return 1
    wrong = False
    for name in names or scenario.names():
        wanted = scenario.load(name)
        with tempfile.TemporaryDirectory() as folder:
            seen = on_cli.run(wanted, Path(folder))
        problems = surprises(wanted, seen)
        wrong |= bool(problems)
        record = {
            "cli": cli,
            "sdk": version("pulumi"),
            "date": datetime.now(timezone.utc).date().isoformat(),
            "steps": seen,
        }
        (RECORDED / f"{name}.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        sys.stdout.write(f"{name}: {'; '.join(problems) or 'recorded'}\n")
        sys.stdout.flush()
    return int(wrong)


def surprises(wanted: scenario.Scenario, seen: list[dict[str, Any]]) -> list[str]:
    """Where steps fail that should not, or do not fail that should."""
    found: list[str] = []
    for step, result in zip(wanted.steps, seen, strict=True):
        end = result.get("run") or result["preview"]
        if end["ok"] == step.fails:
            found.append(f"{step.title} {'succeeded' if end['ok'] else 'failed'}: {' / '.join(end['errors'])}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
