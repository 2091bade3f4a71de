"""Holds arguments to their types: what decides which resources there are has to be plain.

A preview shows only what it knows. A count or a zone that an output will tell is therefore refused, with its name.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin

import pulumi
from typing_extensions import NotRequired, is_typeddict

from novacron_infra.config.problems import item_path
from novacron_infra.errors import Problem, raise_problems

Args = TypeVar("Args")


def check_known_inputs(name: str, kind: type[Args], args: Args) -> Args:
    """The arguments with whole numbers and enumerations as such.

    Raises:
        ArgumentError: an output or an unknown where a plain value belongs, half a number, no member of an enumeration.
    """
    values, problems = checked(kind, cast("Mapping[str, object]", args), name)
    raise_problems(problems)
    return cast("Args", values)


def checked(
    kind: type[Any], values: Mapping[str, object], path: str, key: Callable[[str], str] = str
) -> tuple[dict[str, object], list[Problem]]:
    """The values of a TypedDict, and what is wrong with them. `key` makes its names those of `values`."""
    problems: list[Problem] = []
    kinds = {key(field): annotation for field, annotation in inspect.get_annotations(kind).items()}
    out = {
        field: _value(kinds.get(field), value, f"{path}.{field}", key, problems)
        for field, value in values.items()
        if value is not None
    }
    return out, problems


def _value(kind: Any, value: object, path: str, key: Callable[[str], str], problems: list[Problem]) -> object:
    if get_origin(kind) is NotRequired:
        (kind,) = get_args(kind)
    if kind is None or _is_input(kind):
        return value
    if isinstance(value, (pulumi.Output, pulumi.output.Unknown)):
        rule = "it decides which resources there are, so a preview has to know it"
        fix = "Pass a plain value, such as one of the configuration, not an output of a resource"
        problems.append(Problem(path, "an output", rule, fix))
    elif is_typeddict(kind) and isinstance(value, Mapping):
        value, found = checked(kind, cast("Mapping[str, object]", value), path, key)
        problems += found
    elif get_origin(kind) is list and isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        named = [item if isinstance(item, Mapping) else None for item in items]  # an output must not be asked
        return [
            _value(get_args(kind)[0], item, item_path(path, named, index), key, problems)
            for index, item in enumerate(items)
        ]
    elif get_origin(kind) is dict and isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return {name: _value(get_args(kind)[1], item, f"{path}.{name}", key, problems) for name, item in pairs}
    elif kind is int and isinstance(value, float):  # the wire knows no whole numbers
        if not value.is_integer():
            problems.append(Problem(path, str(value), "it is not a whole number", "Write a whole number"))
        return int(value)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, value, path, problems)
    return value


def _is_input(kind: Any) -> bool:
    return any(get_origin(part) is Awaitable for part in get_args(kind))


def _member(kind: type[Enum], value: object, path: str, problems: list[Problem]) -> object:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        problems.append(Problem(path, str(value), f"there is no such {kind.__name__}", f"Use one of {known}"))
        return value
