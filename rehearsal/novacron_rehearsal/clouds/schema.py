"""Reads a resource's schema from its SDK class: inputs and outputs, their types, which are required, which are secret.

No SDK ships its schema, so it is read from the classes, on first use. The classes lack ranges, patterns, conflicts, and
which changes force a replacement (`data/*.yaml` has the last for some types).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import pulumi

from novacron_rehearsal.clouds import sdk

ScalarKind = Literal["text", "whole number", "number", "true or false", "asset", "anything"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. When the SDK lists `values`, no others are allowed unless the list is `open`."""

    kind: ScalarKind
    values: tuple[str | float, ...] = ()
    open: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: Type


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with any keys."""

    item: Type


@dataclass(frozen=True, slots=True)
class Object:
    """A nested type, by its SDK class; `read_fields` returns its properties."""

    cls: type[Any]


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several types."""

    options: tuple[Type, ...]


Type: TypeAlias = Union[Scalar, ListOf, MapOf, Object, OneOf]  # noqa: UP007 - names used before they are defined


@dataclass(frozen=True, slots=True)
class Field:
    """A property. A `required` input must be given; a `required` output always exists."""

    name: str
    type: Type
    required: bool


Fields: TypeAlias = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Schema:
    """A resource's properties by their names on the wire."""

    token: str
    inputs: Fields
    outputs: Fields
    secret_outputs: frozenset[str]


ANYTHING = Scalar("anything")
_UNIONS = (Union, UnionType)
"""Both forms occur: typing caches generics by equality, so a program's `Output[int | None]` becomes the SDK's hint."""
_SCALARS: dict[Any, Scalar] = {
    str: Scalar("text"),
    int: Scalar("whole number"),
    float: Scalar("number"),
    bool: Scalar("true or false"),
    pulumi.Asset: Scalar("asset"),
    pulumi.Archive: Scalar("asset"),
    Any: ANYTHING,
}
# `pulumi.Input[T]` is Union[T, Awaitable[T], "Output[T]"] with these two names left to resolve.
_LOCALS = {"Output": pulumi.Output, "T": TypeVar("T")}


@cache
def load_schema(token: str) -> Schema:
    """Read the schema of a resource.

    Raises:
        UnknownTypeError: when the SDK has no such resource.
        RehearsalError: when the SDK is not installed.
    """
    cls = sdk.find_class(token)
    module = vars(sys.modules[cls.__module__])
    # In Kubernetes, `PodArgs` is the nested type; the resource's arguments are `PodInitArgs`.
    arguments = module.get(f"{cls.__name__}InitArgs") or module[f"{cls.__name__}Args"]
    source = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    secrets = re.findall(r"additional_secret_outputs=\[([^\]]*)\]", source)
    return Schema(
        token, read_fields(arguments), read_fields(cls), frozenset(re.findall(r'"([^"]+)"', ",".join(secrets)))
    )


@cache
def read_fields(cls: type[Any]) -> Fields:
    """Return the properties of a nested type, of a resource's arguments, or of a resource (its outputs)."""
    with sdk.IMPORTING:
        module = vars(sys.modules[cls.__module__])
        properties = {
            name: (wire, member.fget)
            for name, member in vars(cls).items()
            if isinstance(member, property) and (wire := getattr(member.fget, "_pulumi_name", None))
        }
        if issubclass(cls, (pulumi.Resource, dict)):  # a resource or one of the SDK's output types
            hints = {
                name: get_type_hints(getter, module, _LOCALS)["return"] for name, (_, getter) in properties.items()
            }
            required = {name for name, hint in hints.items() if not _optional(hint)}
        else:
            hints = get_type_hints(cls.__init__, module, _LOCALS)
            required = {
                name
                for name, parameter in inspect.signature(cls.__init__).parameters.items()
                if parameter.default is inspect.Parameter.empty
            }
        found = {wire: Field(wire, _type(hints[name]), name in required) for name, (wire, _) in properties.items()}
        return MappingProxyType(found)


def _optional(hint: Any) -> bool:
    if get_origin(hint) is pulumi.Output:
        return _optional(get_args(hint)[0])
    return get_origin(hint) in _UNIONS and type(None) in get_args(hint)


def _type(hint: Any) -> Type:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is pulumi.Output:
        return _type(arguments[0])
    if origin in _UNIONS:
        options = {
            _type(option): None
            for option in arguments
            if option is not type(None) and get_origin(option) not in (Awaitable, pulumi.Output)
        }
        if ANYTHING in options:
            return ANYTHING
        if Scalar("text") in options:
            # Text or one of a list: the SDK lists the values that it knows, and the cloud may accept others.
            listed = [option for option in options if isinstance(option, Scalar) and option.values]
            text = Scalar("text", tuple(value for option in listed for value in option.values), open=bool(listed))
            options = {text if option == Scalar("text") else option: None for option in options if option not in listed}
        return next(iter(options)) if len(options) == 1 else OneOf(tuple(options))
    if origin in (Sequence, list):
        return ListOf(_type(arguments[0]))
    if origin in (Mapping, dict):
        return MapOf(_type(arguments[1]))
    if origin is Literal:
        return Scalar("text", arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        values = tuple(member.value for member in hint)
        return Scalar("text" if issubclass(hint, str) else "number", values)
    if isinstance(hint, type) and hint.__module__.startswith("pulumi_"):
        return ANYTHING if issubclass(hint, pulumi.Resource) else Object(hint)
    raise TypeError(f"the SDK gives a property the type {hint!r}, which the simulation does not support")
