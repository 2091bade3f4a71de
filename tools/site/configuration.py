"""The reference of configuration keys, made from the JSON schemas of the types."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.kubernetes import KubernetesEnvironment
from novacron_infra.config.local import LocalEnvironment
from pydantic import BaseModel

Schema = dict[str, Any]
_ESCAPES = str.maketrans({"|": "\\|"})
_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "maxLength": "{} characters or fewer",
    "minItems": "at least {}",
    "maxItems": "at most {}",
}


@dataclass(frozen=True)
class Key:
    """A row of the reference: one configuration key with its path, such as `regions[].name`."""

    path: str
    kind: str
    default: str
    description: str


def write_configuration_reference() -> str:
    """Return the page with every key of a stack file, and of the files that coordinators and workers read."""
    from novacron_serving.coordinator.config import CoordinatorConfig
    from novacron_serving.worker.config import WorkerConfig

    stack = "A key of `Pulumi.<stack>.yaml` below `config: novacron:environment:`."
    process = "A key of the YAML or JSON file that `python -m novacron_serving.{} --config FILE` reads."
    return "\n".join(
        [
            "# Configuration keys",
            "",
            "Generated from the types by `make golden`.",
            "",
            "Editors complete and check stack files with the JSON schema that the first line of each file names. An"
            " unknown key, a wrong type or a broken rule is an error with the key, the value, the rule and a fix."
            ' In the tables, "None:" says what happens without the key.',
            "",
            *_write_section("Cloud environments", f"{stack} For `platform: aws`, `gcp` or `azure`.", CloudEnvironment),
            *_write_section(
                "Environments in a cluster of your own",
                f"{stack} For `platform: kubernetes` ([guide](../kubernetes.md)).",
                KubernetesEnvironment,
            ),
            *_write_section("Local environments", f"{stack} For `platform: local`.", LocalEnvironment),
            *_write_section("Coordinator process", process.format("coordinator"), CoordinatorConfig),
            *_write_section("Worker process", process.format("worker"), WorkerConfig),
        ]
    )


def find_keys(schema: Schema, definitions: Schema, path: str = "") -> Iterator[Key]:
    """Yield the keys of an object's schema, each followed by the keys below it."""
    required = schema.get("required", ())
    for name, content in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        default = "required" if name in required else _show_default(content)
        description = content.get("description") or _resolve(content, definitions).get("description", "")
        yield Key(here, _kind(content, definitions), default, " ".join(description.split()).translate(_ESCAPES))
        members = [(below, here + suffix) for below, suffix in _objects(content, definitions)]
        yield from _merge_members(
            [(_find_tag(below), list(find_keys(below, definitions, at))) for below, at in members]
        )


def _find_tag(schema: Schema) -> str | None:
    """Return the value of `kind` that selects a member of a union, or None for any other object."""
    return schema.get("properties", {}).get("kind", {}).get("const")


def _merge_members(members: list[tuple[str | None, list[Key]]]) -> Iterator[Key]:
    """Yield the keys of the members of a union. A key that means the same in several is one row.

    A row says which values of `kind` have it, where not all have it.
    """
    rows: dict[tuple[str, str], list[tuple[str | None, Key]]] = {}
    for tag, keys in members:
        for key in keys:
            rows.setdefault((key.path, key.description), []).append((tag, key))
    for (path, _), found in rows.items():
        keys = [key for _, key in found]
        tags = [tag for tag, _ in found if tag is not None]
        where = f"With {' or '.join(f'`{tag}`' for tag in tags)}: " if 0 < len(tags) < len(members) else ""
        kind = ", ".join(dict.fromkeys(key.kind for key in keys))
        default = "required" if "required" in [key.default for key in keys] else keys[0].default
        yield Key(path, kind, default, where + keys[0].description)


def _write_section(title: str, introduction: str, model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema()
    groups: dict[str, list[Key]] = {}
    for key in find_keys(schema, schema.get("$defs", {})):
        groups.setdefault(re.split(r"[.\[]", key.path)[0], []).append(key)
    lines = [f"## {title}", "", introduction, "", *_write_table([keys[0] for keys in groups.values()])]
    for top, keys in groups.items():
        if len(keys) > 1:
            lines += ["", f"### `{top}`", "", keys[0].description, "", *_write_table(keys[1:])]
    return [*lines, ""]


def _write_table(keys: list[Key]) -> list[str]:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        default = f"`{key.default}`" if key.default not in ("required", "") else key.default
        lines.append(f"| `{key.path}` | {key.kind} | {default} | {key.description} |")
    return lines


def _resolve(content: Schema, definitions: Schema) -> Schema:
    name = content.get("$ref", "").rpartition("/")[2]
    return definitions[name] if name else content


def _choices(content: Schema) -> list[Schema]:
    choices = content.get("anyOf") or content.get("oneOf") or [content]
    return [choice for choice in choices if choice.get("type") != "null"]


def _objects(content: Schema, definitions: Schema) -> Iterator[tuple[Schema, str]]:
    """Yield the objects that a key's value consists of, with what the path of their keys adds to the key's."""
    for choice in _choices(content):
        found = _resolve(choice, definitions)
        if "properties" in found:
            yield found, ""
        elif found.get("type") == "array":
            items = [found["items"]] if "items" in found else found.get("prefixItems", [])
            for item in items:
                for below, suffix in _objects(item, definitions):
                    yield below, f"[]{suffix}"
        elif isinstance(found.get("additionalProperties"), dict):
            for below, suffix in _objects(found["additionalProperties"], definitions):
                yield below, f".<name>{suffix}"
        elif "anyOf" in found or "oneOf" in found:
            yield from _objects(found, definitions)


def _kind(content: Schema, definitions: Schema) -> str:
    return " or ".join(dict.fromkeys(_kind_of_choice(choice, definitions) for choice in _choices(content)))


def _kind_of_choice(content: Schema, definitions: Schema) -> str:
    found = _resolve(content, definitions)
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if "anyOf" in found or "oneOf" in found:
        return _kind(found, definitions)
    if found.get("type") == "array":
        kinds = dict.fromkeys(_kind(item, definitions) for item in found.get("prefixItems", [found.get("items", {})]))
        name = f"list of {' or '.join(kinds)}"
    elif found.get("type") == "object":
        name = "map" if "additionalProperties" in found and found["additionalProperties"] is not False else "section"
    else:
        name = {
            "str": "text",
            "string": "text",
            "number": "number",
            "integer": "integer",
            "boolean": "true or false",
        }.get(found.get("type", ""), "any")
    bounds = [text.format(found[key]) for key, text in _BOUNDS.items() if key in found]
    examples = [f"such as `{found['examples'][0]}`"] if found.get("examples") else []
    return ", ".join([name, *bounds, *examples]).translate(_ESCAPES)


def _show_default(content: Schema) -> str:
    if "default" not in content or content["default"] is None or isinstance(content["default"], dict):
        return ""
    return json.dumps(content["default"], ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(write_configuration_reference())
