"""A resource's type and properties as plain data, unknowns marked.

In a preview, touching an unknown value ends a policy, and even a mandatory one becomes a remark. So every policy here
reads a copy in which unknowns are values like any other, and decides about them itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN
"""A value that only the update can tell."""


def plain(value: Any) -> Any:
    """The value without its proxies; unknown parts are `UNKNOWN`."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


def get(value: Any, path: str) -> Any:
    """The value at `a.b.c`; `None` where there is none, `UNKNOWN` as soon as a part of the way is unknown."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def items(value: Any) -> list[Any]:
    """A list's items; an unknown list is one unknown item."""
    if value is UNKNOWN:
        return [UNKNOWN]
    return value if isinstance(value, list) else []


def unknown(what: str) -> str:
    """The reason to refuse something that an unknown value could hide."""
    return f"{what} is not known before the update, so it cannot be checked; give it as a plain value"


_AZURE_VERSION = re.compile(r"^azure-native(?:_\w+)?:(\w+)(?:/v\w+)?:")


def unversioned(resource_type: str) -> str:
    """The type without the API version that azure-native can carry in its module or in its package's name."""
    resource_type = _AZURE_VERSION.sub(r"azure-native:\1:", resource_type)
    # Up to version 2 of the provider, Traffic Manager was part of `network`.
    return re.sub("^azure-native:network:(Profile|Endpoint)$", r"azure-native:trafficmanager:\1", resource_type)
