"""Turns pydantic's errors about one field into problems in plain English."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Sequence, Set
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.problems import HIDDEN, MISSING, join_path, problem
from novacron_infra.config.renamed_keys import find_new_key
from novacron_infra.config.sections.base import BROKEN_RULE
from novacron_infra.errors import Problem

Location = tuple[int | str, ...]
SET_SECRETS = "set it with `pulumi config set --secret`: " + ", ".join(
    f"novacron:{key}" for key in EnvironmentSecrets.config_keys().values()
)
_TYPO_SIMILARITY = 0.6
_SECRET_WORDS = ("password", "passwd", "secret", "apikey", "credential", "privatekey")
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
    "tuple_type": ("it must be a list", "Write each item after a dash"),
    "too_short": ("it needs at least 1 item", "Add an item"),
    "path_type": ("it must be a path", "Write the path of a file or folder"),
}
"""Rule and fix of each kind of pydantic's errors. Numbers and choices are described by their bounds and values."""


def describe_problems(kind: type[BaseModel], values: object, details: Sequence[ErrorDetails]) -> list[Problem]:
    """Return the problems that pydantic found in `values` for the model `kind`.

    A key that is misspelt is one problem, not an unknown key and a missing one.
    """
    missing = {detail["loc"] for detail in details if detail["type"] == "missing"}
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    misspelt = {new for location in unknown for new in _suggest_keys(kind, location, missing)[:1] if new in missing}
    return [
        _describe_problem(kind, values, detail, missing)
        for detail in details
        if detail["type"] != "missing" or detail["loc"] not in misspelt
    ]


def _describe_problem(kind: type[BaseModel], values: object, detail: ErrorDetails, missing: Set[Location]) -> Problem:
    location = detail["loc"]
    if location[-1:] == ("[key]",):
        path, key = join_path(location[:-2], values), location[-2]
        return problem(path, key, "a key must not be empty", "Write a name before the colon")
    path = join_path(location, values)
    if detail["type"] == "extra_forbidden":
        return _describe_unknown_key(kind, values, detail, missing)
    if detail["type"] == "missing":
        return problem(path, MISSING, "this key is required", f"Add it{_describe_field(kind, location)}")
    if detail["input"] is None:
        return problem(path, None, "the key has no value", "Give it a value, or remove the key")
    rule, fix = _describe_rule(kind, detail)
    return problem(path, detail["input"], rule, f"{fix}{_describe_field(kind, location)}")


def _describe_rule(kind: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    context = detail.get("ctx", {})
    if detail["type"] == BROKEN_RULE:
        return str(context["rule"]), str(context["fix"])
    if detail["type"] in ("enum", "literal_error"):
        # Literals of an enumeration's members are listed as <Platform.AWS: 'aws'>.
        choices = re.sub(r"<\w+\.\w+: ([^>]*)>", r"\1", str(context["expected"])).replace("'", "")
        return "it is not a valid value", f"Use {choices}"
    if detail["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bounds = _describe_bounds(_find_field(kind, detail["loc"]), context)
        fix = f"Use a number {bounds}" if bounds.startswith("from") else f"Use {bounds}"
        return f"it must be {bounds}", fix
    if detail["type"] in _RULES:
        return _RULES[detail["type"]]
    message = detail["msg"]
    return message[:1].lower() + message[1:], "Change the value"


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


def _suggest_keys(kind: type[BaseModel], location: Location, missing: Set[Location]) -> list[Location]:
    """Return the keys that the unknown key at `location` may stand for; first a required key that is missing."""
    new = find_new_key(location)
    if new is not None:
        return [new]
    *parents, key = location
    near = difflib.get_close_matches(str(key), _list_keys(kind, location), n=2, cutoff=_TYPO_SIMILARITY)
    return sorted(((*parents, name) for name in near), key=lambda suggested: suggested not in missing)


def _list_keys(kind: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that are known next to the key at `location`."""
    owner = _find_model(kind, location[:-1])
    return sorted(set(owner.model_fields if owner else ()) - {"secrets"})


def _describe_unknown_key(
    kind: type[BaseModel], values: object, detail: ErrorDetails, missing: Set[Location]
) -> Problem:
    path = join_path(detail["loc"], values)
    suggested = _suggest_keys(kind, detail["loc"], missing)
    if find_new_key(detail["loc"]) is not None:
        fix = f"Rename it to {join_path(suggested[0], values)}"
        return problem(path, detail["input"], "this key has a new name", fix)
    key = str(detail["loc"][-1])
    near = [str(location[-1]) for location in suggested]
    plain = key.lower().replace("_", "")
    # "token" is also a word of language models: a similar key name tells the two meanings apart.
    if any(word in plain for word in _SECRET_WORDS) or ("token" in plain and not near):
        fix = f"Remove it: secrets are generated. To choose a secret yourself, {SET_SECRETS}"
        return problem(path, HIDDEN, "it is an unknown key, and secrets are not plain values", fix)
    fix = f"Did you mean {' or '.join(near)}?" if near else f"Use one of {', '.join(_list_keys(kind, detail['loc']))}"
    return problem(path, detail["input"], "it is an unknown key", fix)


def _describe_field(kind: type[BaseModel], location: Location) -> str:
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
    owner = _find_model(kind, names[:-1])
    return owner.model_fields.get(names[-1]) if owner and names else None


def _find_model(kind: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the model at `location` inside the model `kind`."""
    current: Any = kind
    for step in location:
        if isinstance(step, int):
            continue
        owner = _unwrap_model(current)
        info = owner.model_fields.get(step) if owner else None
        if info is None:
            return None
        current = info.annotation
    return _unwrap_model(current)


def _unwrap_model(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model inside `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in typing.get_args(annotation):
        if (found := _unwrap_model(argument)) is not None:
            return found
    return None
