"""Writes the JSON schemas of the types: `python -m novacron_infra.config.schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from novacron_infra.catalog.files import FILE_NAMES
from novacron_infra.catalog.types import KubernetesList, Quantizations
from novacron_infra.config.loading import EnvironmentConfig
from novacron_infra.config.problems import KEY

HERE = Path(__file__).parent
CATALOG = HERE.parent / "catalog"


def create_schemas() -> dict[Path, dict[str, Any]]:
    """Return every generated schema by its file."""
    environment = TypeAdapter[Any](EnvironmentConfig).json_schema()
    definitions = environment.pop("$defs")
    stack_file: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A NovaCron stack's configuration (Pulumi.<stack>.yaml)",
        "type": "object",
        "properties": {
            "encryptionsalt": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "config": {"type": "object", "properties": {KEY: environment}, "required": [KEY]},
        },
        "required": ["config"],
        "$defs": definitions,
    }
    entries: dict[str, Any] = {
        "kubernetes_versions": tuple[KubernetesList, ...],
        "quantizations": Quantizations,
        **{name: tuple[kind, ...] for kind, name in FILE_NAMES.items()},
    }
    return {HERE / "environment.schema.json": stack_file} | {
        CATALOG / f"{name}.schema.json": TypeAdapter[Any](kind).json_schema() for name, kind in entries.items()
    }


def render_schema(schema: dict[str, Any]) -> str:
    """Return the text of the file of a schema."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all schemas."""
    for path, schema in create_schemas().items():
        path.write_text(render_schema(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
