"""How a problem of a configuration names its place."""

from __future__ import annotations

from collections.abc import Iterable

from novacron_infra.errors import Problem

KEY = "novacron:environment"


def problem(path: str, value: object, rule: str, fix: str, details: Iterable[str] = ()) -> Problem:
    """A problem at the dotted `path` below `novacron:environment`."""
    return Problem(f"{KEY}.{path}" if path else KEY, str(value), rule, fix[:1].upper() + fix[1:], tuple(details))
