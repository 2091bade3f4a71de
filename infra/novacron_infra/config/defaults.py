"""Finds the problems whose value the user did not write: it is the default of its key."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, cast

from pydantic import BaseModel

from novacron_infra.config.problems import KEY
from novacron_infra.errors import Problem

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


def mark_defaults(problems: Iterable[Problem], parts: Mapping[str, Any], written: Collection[str]) -> list[Problem]:
    """Return the problems, those about a default marked as such.

    Args:
        problems: problems of an environment.
        parts: its valid sections, by name.
        written: the names of the sections that the user wrote.
    """
    return [
        replace(found, is_default=True)
        if found.value is not None and _is_default(found.path, parts, written)
        else found
        for found in problems
    ]


def _is_default(path: str, parts: Mapping[str, Any], written: Collection[str]) -> bool:
    """Return whether the value at a path is a default, or is part of one."""
    steps = [plain or name for plain, name in _STEP.findall(path.removeprefix(f"{KEY}."))]
    if not steps or steps[0] not in parts:
        return False
    current: Any = parts[steps[0]]
    is_default = steps[0] not in written
    for step in steps[1:]:
        if isinstance(current, BaseModel):
            if step not in type(current).model_fields:
                return False
            is_default = is_default or step not in current.model_fields_set
            current = getattr(current, step)
        elif isinstance(current, list | tuple):
            current = _find_item(cast("Sequence[Any]", current), step)
        else:
            return False
    return is_default


def _find_item(items: Sequence[Any], step: str) -> Any:
    """Return the item of a list with a number or a name, None without one."""
    if step.isdigit():
        return items[int(step)] if int(step) < len(items) else None
    for item in items:
        name = getattr(item, "name", None)
        if (name.value if isinstance(name, Enum) else name) == step:
            return item
    return None
