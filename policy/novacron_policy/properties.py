"""The type and properties of a resource as plain data in which unknown values are marked.

In a preview, a policy that touches an unknown value stops, and the CLI reports even a mandatory policy as advisory. So
the policies of this pack read a copy in which unknowns are values like any other, and decide about them themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias, cast

from pulumi_policy.proxy import UnknownValueError


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""A value that only the update can determine."""
Value: TypeAlias = "str | float | bool | list[Value] | dict[str, Value] | Unknown | None"
"""A property of a resource. Numbers are floats."""


def copy_marked(value: object) -> Value:
    """Return a copy of a value without Pulumi's proxies; its unknown parts are `UNKNOWN`."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, object]", value)
        return {key: _copy_item(mapping, key) for key in mapping}
    if isinstance(value, Sequence) and not isinstance(value, str):
        sequence = cast("Sequence[object]", value)
        return [_copy_item(sequence, index) for index in range(len(sequence))]
    return cast("Value", value)


def _copy_item(holder: Mapping[str, object] | Sequence[object], key: str | int) -> Value:
    try:
        return copy_marked(holder[key])  # pyright: ignore[reportArgumentType, reportCallIssue] - a key of this holder
    except UnknownValueError:
        return UNKNOWN


def get(value: Value, path: str) -> Value:
    """Return the value at a path such as `a.b.c`: None where it is missing, `UNKNOWN` once a part is unknown."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def list_items(value: Value) -> list[Value]:
    """Return the items of a list, or no items for another value. An unknown list is one unknown item."""
    if value is UNKNOWN:
        return [UNKNOWN]
    return value if isinstance(value, list) else []


def describe_unknown(what: str) -> str:
    """Return the violation of something that is unknown and could hide one."""
    return f"{what} is not known before the update, so it cannot be checked. Give it as a plain value"


_AZURE_VERSION = re.compile(r"^azure-native(?:_\w+)?:(\w+)(?:/v\w+)?:")


def remove_version(resource_type: str) -> str:
    """Return a resource type without the API version that azure-native has in its module or package name."""
    resource_type = _AZURE_VERSION.sub(r"azure-native:\1:", resource_type)
    # Traffic Manager was part of `network` up to version 2 of the provider.
    return re.sub("^azure-native:network:(Profile|Endpoint)$", r"azure-native:trafficmanager:\1", resource_type)
