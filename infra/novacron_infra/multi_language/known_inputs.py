"""Holds the arguments of a component to their types, because other languages and YAML programs check none.

What decides which resources there are has to be plain: a preview shows only what it knows. A count or a zone that is an
output is therefore refused, with its name.
"""

import difflib
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin

from typing_extensions import NotRequired, is_typeddict

from novacron_infra.config.problems import item_path
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import IN_TEXT_FIX, IN_TEXT_RULE, OUTPUT_FIX, OUTPUT_RULE, is_output, is_output_as_text
from novacron_infra.shown_values import show_value

Args = TypeVar("Args")
_TYPES: Mapping[Any, tuple[str, str]] = {
    str: ("it must be text", "Write it in quotes"),
    int: ("it must be a whole number", "Write it in digits, without quotes"),
    bool: ("it must be true or false", "Write true or false without quotes"),
    list: ("it must be a list", "Write each item in a list, even a single one"),
    dict: ("it must be a mapping", "Write a key for each value"),
}
"""Rule and fix of each type."""


def check_known_inputs(name: str, kind: type[Args], args: Args) -> Args:
    """Return the arguments with whole numbers and enumerations as such.

    Raises:
        ArgumentError: an unknown key, a required key that is missing, a value of another type, an output or an unknown
            where a plain value belongs.
    """
    values, problems = checked(kind, args, name)
    raise_problems(problems)
    return cast("Args", values)


def checked(
    kind: type[Any], values: object, path: str, key: Callable[[str], str] = str
) -> tuple[dict[str, object], list[Problem]]:
    """Return the values of a TypedDict, and their problems. `key` makes its names those of `values`."""
    if not isinstance(values, Mapping):
        return {}, [Problem(path, show_value(values), *_TYPES[dict])]
    problems: list[Problem] = []
    given = {field: value for field, value in cast("Mapping[str, object]", values).items() if value is not None}
    kinds = {key(field): annotation for field, annotation in inspect.get_annotations(kind).items()}
    required = [field for field, annotation in kinds.items() if get_origin(annotation) is not NotRequired]
    missing = [field for field in required if field not in given]
    out: dict[str, object] = {}
    for field, value in given.items():
        if field in kinds:
            out[field] = _value(kinds[field], value, f"{path}.{field}", key, problems)
            continue
        near = difflib.get_close_matches(field, [name for name in kinds if name not in given], n=1)
        # A misspelt required key is one problem.
        missing = [name for name in missing if name not in near]
        fix = f"Did you mean {near[0]}?" if near else f"Use one of {', '.join(kinds)}"
        problems.append(Problem(f"{path}.{field}", show_value(value), "it is an unknown argument", fix))
    problems += [Problem(f"{path}.{field}", None, "this argument is required", "Add it") for field in missing]
    return out, problems


def _value(kind: Any, value: object, path: str, key: Callable[[str], str], problems: list[Problem]) -> object:
    if get_origin(kind) is NotRequired:
        (kind,) = get_args(kind)
    if _is_input(kind):
        if is_output(value):
            return value
        kind = get_args(kind)[0]
    if is_output(value):
        problems.append(Problem(path, "an output", OUTPUT_RULE, OUTPUT_FIX))
        return value
    if is_typeddict(kind):
        value, found = checked(kind, value, path, key)
        problems += found
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, value, path, problems)
    if kind is int and isinstance(value, float) and value.is_integer():  # the wire knows no whole numbers
        return int(value)
    container = get_origin(kind) or kind
    if not _is_of(container, value):
        problems.append(Problem(path, show_value(value), *_TYPES[container]))
        return value
    if is_output_as_text(value):
        problems.append(Problem(path, "an output in a text", IN_TEXT_RULE, IN_TEXT_FIX))
    elif container is list:
        items = cast("Sequence[object]", value)
        named = [item if isinstance(item, Mapping) else None for item in items]  # an output must not be asked
        return [
            _value(get_args(kind)[0], item, item_path(path, named, index), key, problems)
            for index, item in enumerate(items)
        ]
    elif container is dict:
        pairs = cast("Mapping[str, object]", value).items()
        return {name: _value(get_args(kind)[1], item, f"{path}.{name}", key, problems) for name, item in pairs}
    return value


def _is_of(container: Any, value: object) -> bool:
    """Whether a value has this type. Any sequence but a text is a list, and true and false are not numbers."""
    if container is list:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if container is dict:
        return isinstance(value, Mapping)
    if container is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return container not in _TYPES or isinstance(value, container)


def _is_input(kind: Any) -> bool:
    return any(get_origin(part) is Awaitable for part in get_args(kind))


def _member(kind: type[Enum], value: object, path: str, problems: list[Problem]) -> object:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        problems.append(Problem(path, show_value(value), f"there is no such {kind.__name__}", f"Use one of {known}"))
        return value
