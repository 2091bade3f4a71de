"""Refuses outputs in the arguments of a component that decide which resources there are."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, cast

import pulumi

from novacron_infra.errors import Problem, raise_problems

OUTPUT_RULE = "it decides which resources there are, so a preview has to know it"
OUTPUT_FIX = "Pass a plain value, such as one of the configuration, not an output of a resource"
IN_TEXT_RULE = "an output inside a text has no value"
IN_TEXT_FIX = "Pass the output itself, or use pulumi.Output.format()"
_NESTED = re.compile(r"\[[^\[\]]*\]")


def is_output(value: object) -> bool:
    """Return whether a value is known only when resources are."""
    return isinstance(value, pulumi.Output | pulumi.output.Unknown | Awaitable)


def is_output_as_text(value: object) -> bool:
    """Return whether a text is what Python makes of an output, as in f"{output}"."""
    return isinstance(value, str) and "Calling __str__ on an Output[T] is not supported" in value


def check_known_args(name: str, args: object) -> None:
    """Check that the arguments of a component are plain where their types say so. Call it before any other check.

    Args:
        name: the component's name, the prefix of the fields' paths.
        args: a dataclass whose module has `from __future__ import annotations`.

    Raises:
        ArgumentError: an output or an unknown where a plain value belongs.
    """
    raise_problems(list(_check_fields(name, args)))


def _check_fields(path: str, args: Any) -> Iterator[Problem]:
    for field in fields(args):
        yield from _check_value(f"{path}.{field.name}", getattr(args, field.name), str(field.type))


def _check_value(path: str, value: object, annotation: str) -> Iterator[Problem]:
    """Check a value and those inside it. `annotation` is the source text of the type of the whole field."""
    if is_output(value):
        if not _accepts_output(annotation):
            yield Problem(path, "an output", OUTPUT_RULE, OUTPUT_FIX)
    elif is_output_as_text(value):
        yield Problem(path, "an output in a text", IN_TEXT_RULE, IN_TEXT_FIX)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _check_fields(path, value)
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _check_item(f"{path}.{key}", item, annotation)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(cast("Sequence[object]", value)):
            yield from _check_item(f"{path}.{index}", item, annotation)


def _check_item(path: str, item: object, annotation: str) -> Iterator[Problem]:
    if not (is_output(item) and "Input[" in annotation):
        yield from _check_value(path, item, annotation)


def _accepts_output(annotation: str) -> bool:
    """Return whether the type itself is an input or an output, and not only what is inside it."""
    while (outer := _NESTED.sub("", annotation)) != annotation:
        annotation = outer
    return any(part.strip().endswith(("Input", "Output", "object")) for part in annotation.split("|"))
