"""Writes one file for each stack, cloud and form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.planned_resources.arm import make_template
from tools.planned_resources.deployed import PlannedResource, deploy
from tools.planned_resources.iam import collect_documents
from tools.planned_resources.terraform import PREFIXES, make_plan

STACKS = ("dev", "staging", "prod", "prod-gcp", "prod-azure")


def export(stacks: Sequence[str], folder: Path) -> list[Path]:
    """Write the planned resources of stacks into a folder, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stack in stacks:
        for name, content in _forms(deploy(stack)):
            path = folder / f"{stack}.{name}.json"
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
            written.append(path)
    return written


def _forms(resources: Sequence[PlannedResource]) -> Iterator[tuple[str, dict[str, Any]]]:
    packages = {resource.package for resource in resources}
    for package in PREFIXES:
        if package in packages:
            yield package, make_plan(resources, package)
    if "azure-native" in packages:
        yield "azure", make_template(resources)
    if documents := collect_documents(resources):
        yield "iam", documents
