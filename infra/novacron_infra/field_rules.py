"""Describes pydantic's errors about one field in plain English: the rule, the fix, and the field itself."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
BROKEN_RULE = "broken_rule"
"""The type of validation errors whose context has a `rule` and a `fix`."""
_RULES = {
    "int_type": ("it must be a whole number", "Write it in digits, without quotes"),
    "int_from_float": ("it must be a whole number", "Write it without a fraction"),
    "float_type": ("it must be a number", "Write it in digits, without quotes"),
    "finite_number": ("it must be a finite number", "Write it in digits"),
    "string_type": ("it must be text", "Write text, and put numbers, dates, true and false in quotes"),
    "string_too_short": ("it must not be empty", "Write a value, or remove the key"),
    "bool_type": ("it must be true or false", "Write true or false without quotes"),
    "model_type": ("it must be a mapping", "Write its keys below it"),
    "dict_type": ("it must be a mapping", "Write its keys below it"),
    "list_type": ("it must be a list", "Write each item after a dash"),
    "tuple_type": ("it must be a list", "Write each item after a dash"),
    "too_short": ("it needs at least 1 item", "Add an item"),
    "datetime_type": ("it must be a time with its zone", "Write it like 2026-12-01T11:30:00Z"),
    "datetime_parsing": ("it must be a time with its zone", "Write it like 2026-12-01T11:30:00Z"),
    "datetime_from_date_parsing": ("it must be a time with its zone", "Write it like 2026-12-01T11:30:00Z"),
    "timezone_aware": ("it must be a time with its zone", "Write it like 2026-12-01T11:30:00Z"),
    "path_type": ("it must be a path", "Write the path of a file or folder"),
}
"""Rule and fix of each kind of pydantic's errors. Numbers and choices are described by their bounds and values."""


def describe_rule(kind: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    """Return the rule that a field of the model `kind` breaks, and the fix, for all but missing and unknown keys."""
    context = detail.get("ctx", {})
    if detail["type"] == BROKEN_RULE:
        return str(context["rule"]), str(context["fix"])
    if detail["type"] in ("enum", "literal_error"):
        return "it is not a valid value", suggest_choice(detail["input"], show_choices(str(context["expected"])))
    if detail["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bounds = _describe_bounds(_find_field(kind, detail["loc"]), context)
        fix = f"Use a number {bounds}" if bounds.startswith("from") else f"Use {bounds}"
        return f"it must be {bounds}", fix
    if detail["type"] in _RULES:
        return _RULES[detail["type"]]
    message = detail["msg"]
    return message[:1].lower() + message[1:], "Change the value"


def show_choices(text: str) -> str:
    """Return pydantic's list of choices as a user types them. It lists enumerations as <Platform.AWS: 'aws'>."""
    return re.sub(r"<\w+\.\w+: ([^>]*)>", r"\1", text).replace("'", "")


def suggest_choice(value: object, choices: str) -> str:
    """Return a sentence with the choice that a value means, or with all of them.

    Args:
        value: what the user typed. It means a choice that differs only in case, in `-` and `_`, and in outer spaces.
        choices: the choices, separated by commas, or by "or" before the last.
    """
    for choice in re.split(r", | or ", choices):
        if isinstance(value, str) and _fold(value) == _fold(choice):
            return f"Write it as {choice}"
    return f"Use one of {choices}" if "," in choices and " or " not in choices else f"Use {choices}"


def _fold(text: str) -> str:
    return text.strip().lower().replace("_", "-")


def _describe_bounds(info: FieldInfo | None, context: dict[str, Any]) -> str:
    """Return the bounds of a number in words, such as "from 1 to 65535" or "more than 0"."""
    constraints = _list_constraints(info) if info else []
    bounds = dict(context)
    for item in constraints:
        if isinstance(item, Ge | Gt | Le | Lt):
            name = type(item).__name__.lower()
            bounds[name] = getattr(item, name)
    if "gt" in bounds and int in constraints:
        bounds["ge"] = bounds.pop("gt") + 1
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "more than {}", "ge": "{} or more", "lt": "less than {}", "le": "{} or less"}
    if len(bounds) > 1:
        words |= {"ge": "at least {}", "le": "at most {}"}
    return " and ".join(text.format(bounds[name]) for name, text in words.items() if name in bounds)


def _list_constraints(info: FieldInfo) -> list[object]:
    """Return the constraints and types of a field, including those inside `X | None` and `Annotated`."""
    found: list[object] = list(info.metadata)
    pending: list[Any] = [info.annotation]
    while pending:
        annotation = pending.pop()
        found.append(annotation)
        for item in getattr(annotation, "__metadata__", ()):
            found += item.metadata if isinstance(item, FieldInfo) else [item]
        pending += typing.get_args(annotation)
    return found


def describe_field(kind: type[BaseModel], location: Location) -> str:
    """Return the key and the first sentence of its description, or nothing when it has none."""
    info = _find_field(kind, location)
    if info is None or not info.description:
        return ""
    sentence = " ".join(info.description.split()).partition(". ")[0].rstrip(".")
    key = next(step for step in reversed(location) if isinstance(step, str))
    return f" ({key}: {sentence})"


def _find_field(kind: type[BaseModel], location: Location) -> FieldInfo | None:
    """Return the field at `location`; for an item of a list, the field of the list."""
    names = [step for step in location if isinstance(step, str)]
    owner = find_model_at(kind, names[:-1])
    return owner.model_fields.get(names[-1]) if owner and names else None


def find_model_at(kind: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the model at `location` inside the model `kind`."""
    current: Any = kind
    for step in location:
        if isinstance(step, int):
            continue
        if (value := _find_mapping_value(current)) is not None:
            current = value  # the step is a key of the mapping
            continue
        member = _find_union_member(current, step)
        if member is not None:
            current = member
            continue
        owner = _unwrap_model(current)
        info = owner.model_fields.get(step) if owner else None
        if info is None:
            return None
        current = info.annotation
    return _unwrap_model(current)


def _find_mapping_value(annotation: Any) -> Any:
    """Return the type of the values of `dict[K, V]` or of `dict[K, V] | None`; None for other types."""
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    members = typing.get_args(annotation) if typing.get_origin(annotation) in (types.UnionType, typing.Union) else ()
    return next((value for item in members if (value := _find_mapping_value(item)) is not None), None)


def _find_union_member(annotation: Any, tag: str) -> type[BaseModel] | None:
    """Return the model of a discriminated union whose `kind` is `tag`, as pydantic names it in locations."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        info = annotation.model_fields.get("kind") if issubclass(annotation, BaseModel) else None
        return annotation if info is not None and tag in typing.get_args(info.annotation) else None
    for argument in typing.get_args(annotation):
        if (found := _find_union_member(argument, tag)) is not None:
            return found
    return None


def _unwrap_model(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model inside `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in typing.get_args(annotation):
        if (found := _unwrap_model(argument)) is not None:
            return found
    return None
