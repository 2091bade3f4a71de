"""Checks what a command prints with `--json` against its JSON schema."""

from __future__ import annotations

from typing import Any

import jsonschema

from tools.site.command_output import create_schemas


def check_output(command: str, printed: object) -> None:
    """Fail if a document has another type than the schema of `command`, or a key that the schema does not name."""
    jsonschema.validate(printed, _close(create_schemas()[command]))


def _close(schema: Any) -> Any:
    """Return a schema whose objects have no other keys than those it names."""
    if isinstance(schema, list):
        return [_close(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _close(value) for key, value in schema.items()}
    return (
        {**closed, "additionalProperties": False}
        if schema.get("type") == "object" and "properties" in schema
        else closed
    )
