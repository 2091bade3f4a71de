"""The texts of `data/*.yaml`, with what stands in braces filled in.

`{name}` is a variable or an input, `{spec.replicas}` what is inside one, `{port=5432}` has a default, `{a=@b}` another
variable as default. `{hex:8}` are its first eight characters, `{network:last}` what follows the last slash,
`{url:host}` what follows the scheme, `{id:type}` the resource type that is in an Azure id; `{set=:joined}` has an
underscore before it unless it is empty. A text that is one variable and nothing else keeps the variable's type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import yaml

from novacron_rehearsal.values import UNKNOWN, Value, contains_unknown, without_secrets

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.]*)(?:=(@?)([^{}:]*))?(?::(\w+))?\}")

Lookup: TypeAlias = Callable[[str], Value]
"""The value of a variable; raises `KeyError` when there is none."""


def names(template: str) -> set[str]:
    """The variables that a text asks for."""
    return {match[1].partition(".")[0] for match in _PLACEHOLDER.finditer(template)}


def fill(template: Any, lookup: Lookup) -> Value:
    """A template with its variables filled in; unknown when one of them is.

    Parts of objects and lists whose variable does not exist are left out.

    Raises:
        KeyError: when a variable of the whole does not exist and has no default.
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
