"""Another value for each key of the configuration: from `examples.yaml`, or else derived from the key's type."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from novacron_infra.config import CloudEnvironment

from tests.unit.config.environments import change
from tests.unit.key_changes.environments import CLOUDS, make_base
from tests.unit.test_identity import find
from tools.site.configuration import Key, find_keys

_FILE = Path(__file__).with_name("examples.yaml")
_LIKE = {"regions[].worker_capacity": "workers.capacity"}
"""Sections that have the same keys as another, whose examples they share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A change of one key in an environment of one cloud."""

    before: Mapping[str, Any]
    changes: Mapping[str, Any]
    """Other values at dotted paths."""

    @property
    def after(self) -> dict[str, Any]:
        """The environment with the changes. Sections are made where they are missing."""
        values = dict(self.before)
        for path in self.changes:
            steps = path.split(".")
            for length in range(1, len(steps)):
                parent = ".".join(steps[:length])
                if find(values, parent) is None:
                    values = change(values, {parent: {}})
        return change(values, dict(self.changes))


@functools.cache
def list_keys() -> dict[str, Key]:
    """Return the keys that have a value, by path. A section has none; its keys have."""
    schema = CloudEnvironment.model_json_schema()
    keys: dict[str, Key] = {}
    for key in find_keys(schema, schema["$defs"]):
        if key.kind != "section":
            keys.setdefault(key.path, key)
    return keys


@functools.cache
def read_rows() -> dict[str, dict[str, Any]]:
    """Return the rows of `examples.yaml` by key."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    for section, other in _LIKE.items():
        for key, row in [*rows.items()]:
            if key.startswith(f"{other}."):
                path = section.replace("[]", ".0")
                moved = {old.replace(other, path): value for old, value in row.get("with", {}).items()}
                extra = {"with": moved, "base": row.get("base", "one-region")}
                if "path" in row:
                    extra["path"] = row["path"].replace(other, path)
                rows.setdefault(key.replace(other, section), row | extra)
    return rows


def find_example(key: str, cloud: str) -> Example | None:
    """Return the example of a key in a cloud; None if the key does not apply there.

    Raises:
        LookupError: the key has no row, and no other value can be derived from its type.
    """
    row = read_rows().get(key, {})
    if "refused" in row:
        return None
    clouds = [name for name in CLOUDS if name in row] or list(CLOUDS)
    if cloud not in clouds:
        return None
    before = change(make_base(row.get("base", "serving"), cloud), _choose(row.get("with", {}), cloud) or {})
    path = row.get("path", key.replace("[]", ".0"))
    value = row.get(cloud, row.get("to"))
    if cloud not in row and "to" not in row:
        value = _derive(list_keys()[key], find(before, path))
    also = _choose(row.get("also", {}), cloud) or {}
    return Example(before=before, changes={path: value, **also})


def _choose(value: Any, cloud: str) -> Any:
    """Return a value without the mappings by cloud in it."""
    if not isinstance(value, dict):
        return value
    values = cast("dict[str, Any]", value)
    if values and set(values) <= set(CLOUDS):
        return _choose(values.get(cloud), cloud)
    return {name: _choose(item, cloud) for name, item in values.items()}


def _derive(key: Key, present: Any) -> Any:
    """Return another value than the present one, or the default, for a key of a simple type."""
    if present is None and key.default not in ("", "required"):
        present = yaml.safe_load(key.default)
    if isinstance(present, bool):
        return not present
    if isinstance(present, int):
        return present + 1
    if isinstance(present, float):
        return round(present * 0.95, 4)
    raise LookupError(f"{key.path}: add a row to {_FILE.name}: no other value of {key.kind} can be derived")
