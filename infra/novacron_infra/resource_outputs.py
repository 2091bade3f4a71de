"""Outputs of resources that wait for other resources, or that the SDK types as optional. Stack outputs: `outputs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import pulumi

from novacron_infra.errors import NovaCronError

Value = TypeVar("Value")


def require_output(value: Value | None, output: str) -> Value:
    """Return the value of an output that the SDK types as optional.

    Args:
        value: the resolved value.
        output: the resource type and the output, such as `PublicIPAddress.ip_address`.

    Raises:
        NovaCronError: if the cloud returned no value.
    """
    if value is None:
        raise NovaCronError(f"{output} is missing: the cloud returned no value for it")
    return value


def resolve_after(value: pulumi.Output[Value], *others: pulumi.Input[Any]) -> pulumi.Output[Value]:
    """Return `value` as an output that resolves after `others`. Its users then depend on their resources as well."""
    return pulumi.Output.all(value, *others).apply(_take_first)


def _take_first(values: Sequence[Any]) -> Any:
    return values[0]
