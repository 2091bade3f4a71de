"""Writes the JSON schemas of what `novacron … --json` prints, and the page that lists them and the exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from novacron_infra.plan.json_types import PlanJson
from novacron_ops import json_output as types
from novacron_ops.errors import Exit
from pydantic import TypeAdapter

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/command-output.md"
SCHEMAS = ROOT / "docs/reference/schemas"
_PAGE = """\
# Output for programs

Generated from the types by `make golden`.

## Exit status

| status | meaning |
|---|---|
{statuses}

## JSON

With `--json`, a command prints one JSON document on standard output, and messages for people on standard error. The
document matches the command's JSON schema. A version may add keys; the changelog lists renamed and removed ones.

| command | schema |
|---|---|
{commands}

If a stack's configuration is invalid, `plan` and `rehearse` print `problems` in place of their result, and exit with
status 2.
"""


def create_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each command's output by the command's name."""
    from novacron_serving.quality.report import Report

    entries = types.CatalogMachineJson | types.CatalogGpuJson | types.CatalogModelJson
    kinds: dict[str, Any] = {
        "catalog": list[types.CatalogMachineJson]
        | list[types.CatalogGpuJson]
        | list[types.CatalogModelJson]
        | entries
        | types.OwnFilesJson
        | types.ProblemsJson,
        "plan": PlanJson | types.OwnMachinesJson | types.ProblemsJson,
        "quality": Report,
        "rehearse": types.RehearsalJson | types.ProblemsJson,
        "render": types.RenderJson | types.RenderProblemsJson,
        "status": types.StatusJson,
    }
    return {name: TypeAdapter[Any](kind).json_schema(mode="serialization") for name, kind in kinds.items()}


def write_page() -> str:
    """Return the page in Markdown."""
    statuses = "\n".join(f"| {status.value} | {status.meaning} |" for status in Exit)
    commands = "\n".join(
        f"| `novacron {name} --json` | [{name}.schema.json](schemas/{name}.schema.json) |" for name in create_schemas()
    )
    return _PAGE.format(statuses=statuses, commands=commands)


def render_files() -> dict[Path, str]:
    """Return the text of the page and of each schema, by file."""
    schemas = {
        SCHEMAS / f"{name}.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        for name, schema in create_schemas().items()
    }
    return {PAGE: write_page(), **schemas}


def main() -> None:
    """Write the page and the schemas."""
    SCHEMAS.mkdir(exist_ok=True)
    for file, text in render_files().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
