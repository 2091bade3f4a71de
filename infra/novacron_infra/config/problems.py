"""The problems of a configuration: where each one is, and how it shows the value that the user typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import cast

from novacron_infra.errors import Problem
from novacron_infra.shown_values import SHOWN_CHARACTERS, show_key, show_value

KEY = "novacron:environment"
MISSING = object()
"""Stands for the value of a key that is required and not there."""
HIDDEN = "(hidden)"
"""The shown value of a secret."""
UNSHOWN = "(not shown)"
"""The shown value of what is too large to show."""
_COMPARED_NAMES = 200


def problem(path: str, value: object, rule: str, fix: str, details: Iterable[str] = ()) -> Problem:
    """Return a problem at the dotted `path` below `novacron:environment`.

    Args:
        path: the keys and list indexes from `novacron:environment` to the value; empty for the whole mapping.
        value: the value, which the message shows as the user typed it, or MISSING.
        rule: the rule that the value breaks, as a clause without a full stop.
        fix: what to do, in whole sentences. The last one has no full stop, because it often ends with a value to copy.
        details: further lines, such as the arithmetic behind the rule.
    """
    shown = None if value is MISSING else show_value(value)
    return Problem(f"{KEY}.{path}" if path else KEY, shown, rule, fix, tuple(details))


def join_path(location: Sequence[int | str], values: object) -> str:
    """Return the path of a location in `values`, such as `regions[us-west-2].zones.1`.

    A key that is empty or has a dot or bracket is put in quotes. List items are written as `item_path` writes them.
    """
    path = ""
    for step in remove_union_tags(location, values):
        if isinstance(step, int):
            items = cast("Sequence[object]", values) if isinstance(values, list | tuple) else ()
            path, values = item_path(path, items, step), items[step] if step < len(items) else None
        else:
            path = f"{path}.{show_key(step)}" if path else show_key(step)
            values = cast("Mapping[str, object]", values).get(step) if isinstance(values, Mapping) else None
    return path


def remove_union_tags(location: Sequence[int | str], values: object) -> tuple[int | str, ...]:
    """Return a location in `values` without pydantic's steps into the members of a union, which no user has typed.

    pydantic writes `workers.capacity.spot.fraction`, where `spot` is the value of `workers.capacity.kind`.
    """
    kept: list[int | str] = []
    for step in location:
        if isinstance(values, Mapping):
            owner = cast("Mapping[object, object]", values)
            if step not in owner and step == owner.get("kind"):
                continue
            values = owner.get(step)
        elif isinstance(step, int) and isinstance(values, list | tuple):
            items = cast("Sequence[object]", values)
            values = items[step] if step < len(items) else None
        else:
            values = None
        kept.append(step)
    return tuple(kept)


def item_path(path: str, items: Sequence[object], index: int) -> str:
    """Return the path of item `index` of the list at `path`.

    The path has the item's name if that identifies the item: `regions[us-west-2]`. It has the item's number, counted
    from 0, if the item has no name, or one that another item has too, or one that is too long to show: `regions.0`.
    So have the items of a list that is too long to compare all of its names.
    """
    name = _find_name(items[index]) if index < len(items) <= _COMPARED_NAMES else None
    if not name or len(name) > SHOWN_CHARACTERS or [_find_name(item) for item in items].count(name) > 1:
        return f"{path}.{index}"
    return f"{path}[{show_key(name)}]"


def _find_name(item: object) -> str | None:
    name = cast("Mapping[str, object]", item).get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
    name = name.value if isinstance(name, Enum) else name
    return name if isinstance(name, str) else None
