"""URNs: `urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`."""

from __future__ import annotations

from typing import NamedTuple

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_TYPE_PREFIX = "pulumi:providers:"


class Urn(NamedTuple):
    """The parts of a URN. `qualified_type` has the parents' types before the resource's own, joined by `$`."""

    stack: str
    project: str
    qualified_type: str
    name: str

    @property
    def type(self) -> str:
        """Return the resource's own type token."""
        return self.qualified_type.rsplit("$", 1)[-1]

    def __str__(self) -> str:
        return f"urn:pulumi:{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def parse(urn: str) -> Urn:
    """Split a URN. Raises `ValueError` when it is not one."""
    parts = urn.split("::", 3)
    if len(parts) != 4 or not parts[0].startswith("urn:pulumi:"):
        raise ValueError(f"{urn!r} is not a URN (urn:pulumi:<stack>::<project>::<type>::<name>)")
    return Urn(parts[0][len("urn:pulumi:") :], parts[1], parts[2], parts[3])


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Make the URN of a resource. Children of the stack have no parent type in it."""
    qualified = type_
    if parent:
        parent_type = parse(parent).qualified_type
        if parent_type != STACK_TYPE:
            qualified = f"{parent_type}${type_}"
    return str(Urn(stack, project, qualified, name))


def is_provider(type_: str) -> bool:
    """Return whether the type is that of a provider resource."""
    return type_.startswith(PROVIDER_TYPE_PREFIX)


def package_of(type_: str) -> str:
    """Return the package of a type: the first part of the token, or a provider's own package."""
    if is_provider(type_):
        return type_[len(PROVIDER_TYPE_PREFIX) :].split("::", maxsplit=1)[0]
    return type_.split(":", 1)[0]
