"""docs/rehearsals.md describes the faults as `novacron rehearse --faults` reads them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from novacron_rehearsal.clouds import faults

PAGE = (Path(__file__).parents[3] / "docs/rehearsals.md").read_text(encoding="utf-8")


def test_the_documented_faults_are_accepted() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert {fault.fault for fault in faults.parse_faults(example)} == set(faults.KINDS)


def test_the_table_lists_every_field_of_a_fault_and_every_kind() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == {field.name for field in fields(faults.Fault)}
    assert all(f"`{kind}`" in dict(rows)["fault"] for kind in faults.KINDS)
