"""Outputs of resources that wait for other resources, or that the SDK types as optional. Stack outputs: `outputs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import pulumi

Value = TypeVar("Value")


def resolve_after(value: pulumi.Output[Value], *others: pulumi.Input[Any]) -> pulumi.Output[Value]:
    """Return `value` as an output that resolves after `others`. Its users then depend on their resources as well."""
    return pulumi.Output.all(value, *others).apply(_take_first)


def _take_first(values: Sequence[Any]) -> Any:
    return values[0]
