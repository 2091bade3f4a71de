"""Templates of `data/*.yaml`: texts with placeholders in braces.

| placeholder | is replaced by |
| --- | --- |
| `{name}` | a variable or an input |
| `{spec.replicas}` | a property of a variable or input |
| `{port=5432}` | the variable, or a default |
| `{a=@b}` | the variable, or another variable |
| `{hex:8}` | the first eight characters |
| `{network:last}` | the text after the last slash |
| `{url:host}` | the text after the scheme |
| `{id:type}` | the resource type in an Azure id |
| `{set=:joined}` | an underscore and the text; nothing when the text is empty |

A template that is a single placeholder keeps the type of the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import yaml

from novacron_rehearsal.values import UNKNOWN, Value, contains_unknown, without_secrets

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.]*)(?:=(@?)([^{}:]*))?(?::(\w+))?\}")

Lookup: TypeAlias = Callable[[str], Value]
"""Returns the value of a variable; raises `KeyError` when there is none."""


def find_variables(template: str) -> set[str]:
    """Return the variables that a template uses."""
    return {match[1].partition(".")[0] for match in _PLACEHOLDER.finditer(template)}


def fill(template: Any, lookup: Lookup) -> Value:
    """Replace the placeholders of a template. The result is unknown when one of the values is.

    Properties of objects and items of lists whose variable does not exist are left out.

    Raises:
        KeyError: when a variable of a text does not exist and has no default.
    """
    if isinstance(template, dict):
        filled = {key: _fill_or_nothing(item, lookup) for key, item in template.items()}
        return {key: item for key, item in filled.items() if item is not None}
    if isinstance(template, list):
        return [item for item in (_fill_or_nothing(item, lookup) for item in template) if item is not None]
    if not isinstance(template, str):
        return template
    if whole := _PLACEHOLDER.fullmatch(template):
        return _resolve(whole, lookup)
    values = [_resolve(match, lookup) for match in _PLACEHOLDER.finditer(template)]
    if any(contains_unknown(value) for value in values):
        return UNKNOWN
    texts = iter(values)
    return _PLACEHOLDER.sub(lambda _: str(next(texts)), template)


def _fill_or_nothing(template: Any, lookup: Lookup) -> Value:
    try:
        return fill(template, lookup)
    except KeyError:
        return None


def _resolve(match: re.Match[str], lookup: Lookup) -> Value:
    path, other, default, how = match.groups()
    first, *rest = path.split(".")
    try:
        value = without_secrets(lookup(first))
        for key in rest:
            if isinstance(value, dict):
                value = value[key]
            elif value is not UNKNOWN:
                raise KeyError(path)
    except KeyError:
        if default is None:
            raise
        value = lookup(default) if other else yaml.safe_load(default or '""')
    if how is None or value is UNKNOWN:
        return value
    text = str(value)
    if how == "last":
        return text.rstrip("/").rpartition("/")[2]
    if how == "host":
        return text.partition("://")[2] or text
    if how == "type":
        namespace, *rest = text.rpartition("/providers/")[2].split("/")
        return "/".join((namespace, *rest[::2]))
    if how == "joined":
        return f"_{text}" if text else ""
    return text[: int(how)]
