"""The problems of a configuration: where each one is, and how it shows the value that the user typed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import yaml

from novacron_infra.errors import Problem

KEY = "novacron:environment"
MISSING = "missing"
"""The shown value of a key that is needed and not there."""
HIDDEN = "(hidden)"
"""The shown value of a secret."""
UNSHOWN = "(not shown)"
"""The shown value of what is too large to show."""
_SHOWN_CHARACTERS = 60


def problem(path: str, value: object, rule: str, fix: str, details: Iterable[str] = ()) -> Problem:
    """Return a problem at the dotted `path` below `novacron:environment`.

    Args:
        path: the keys and list indexes from `novacron:environment` to the value; empty for the whole mapping.
        value: the value, which the message shows as the user typed it.
        rule: the rule that the value breaks, as a clause without a full stop.
        fix: what to do, in whole sentences. The last one has no full stop, because it often ends with a value to copy.
        details: further lines, such as the arithmetic behind the rule.
    """
    return Problem(f"{KEY}.{path}" if path else KEY, show_value(value), rule, fix, tuple(details))


def join_path(location: Sequence[int | str]) -> str:
    """Return the dotted path of a location. A key that is empty or has a dot is put in quotes."""
    return ".".join(_show_step(str(step)) for step in location)


def _show_step(step: str) -> str:
    return step if step and "." not in step and step.isprintable() else json.dumps(step, ensure_ascii=False)


def show_value(value: object) -> str:
    """Return `value` as a person types it in YAML, shortened to 60 characters.

    A mapping or a list is named but not shown, because it may hold secrets.
    """
    if isinstance(value, Mapping | list | tuple) and value:
        return "a mapping" if isinstance(value, Mapping) else "a list"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes to be read as a text."""
    if not text or text != text.strip() or not text.isprintable():
        return False
    resolved: str = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    return resolved == "tag:yaml.org,2002:str"
