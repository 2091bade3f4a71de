"""Lookups of things that exist: a problem for each that is not there or lacks something.

Clouds are asked by plain invokes, which answer before anything is declared. So all problems are reported together, and
nothing is created if there is one. A thing that exists is never a managed resource: no update and no destroy has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import pulumi

from novacron_infra.catalog import Cloud
from novacron_infra.config.problems import KEY
from novacron_infra.errors import ConfigurationError, Problem

Found = TypeVar("Found")
Spec = TypeVar("Spec")
_FAILED = "invoke of "
"""Pulumi raises a plain Exception whose message begins so when a cloud rejects an invoke."""
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Lookups:
    """The lookups of one region, and the problems that they found."""

    path: str
    """Path of the section with the things that exist, such as `regions[us-west-2].existing.aws`."""
    opts: pulumi.InvokeOptions
    """Options of invokes: the region's provider."""
    problems: list[Problem] = field(default_factory=list[Problem])

    def find(self, key: str, value: str, what: str, command: str, invoke: Callable[[], Found]) -> Found | None:
        """Return what an invoke returns, or add a problem and return None if the cloud finds no such thing.

        Args:
            key: the key below the section.
            value: the id, as the user typed it.
            what: the kind of thing and its place, such as "a VPC in us-west-2".
            command: a command that lists such things.
            invoke: calls the cloud.
        """
        try:
            return invoke()
        except Exception as error:  # noqa: BLE001 - Pulumi raises nothing narrower
            message = _find_reason(error)
            rule = f"the cloud finds no such {what}, or these credentials may not read it: {message}"
            self._add(key, value, rule, f"List them with `{command}`")
            return None

    def require(self, holds: bool, key: str, value: str, rule: str, fix: str) -> None:
        """Add a problem unless a thing has what it must have.

        Args:
            holds: whether it has it.
            key: the key below the section.
            value: the id, as the user typed it.
            rule: what is missing, as a clause.
            fix: what to do, with the command that does it.
        """
        if not holds:
            self._add(key, value, rule, fix)

    def _add(self, key: str, value: str, rule: str, fix: str) -> None:
        # The whole id, which other messages shorten: it is what a user compares with the cloud.
        self.problems.append(Problem(f"{KEY}.{self.path}.{key}", value, rule, fix))

    def warn(self, key: str, value: str, message: str) -> None:
        """Log what may be wrong with a thing."""
        pulumi.log.warn(f"{self.path}.{key} = {value}: {message}")


def find_or_none(invoke: Callable[[], Found]) -> Found | None:
    """Return what an invoke returns, or None if the cloud rejects it."""
    try:
        return invoke()
    except Exception as error:  # noqa: BLE001 - Pulumi raises nothing narrower
        _find_reason(error)
        return None


def is_reported(value: object) -> bool:
    """Return whether a cloud reported a value. The SDKs type all of them as present; a simulated cloud lacks some."""
    return value is not None


def differs(value: object, expected: object) -> bool:
    """Return whether a cloud reported a value other than the expected one."""
    return is_reported(value) and value != expected


def check_regions(
    cloud: Cloud,
    specs: Mapping[str, Spec],
    providers: Mapping[str, pulumi.ProviderResource],
    look_up: Callable[[Spec, Lookups], None],
) -> None:
    """Look up everything that exists of the regions in a cloud.

    Args:
        cloud: the cloud.
        specs: the regions by name.
        providers: the provider of each.
        look_up: looks up what exists of one region.

    Raises:
        ConfigurationError: with everything that is not there, or lacks what a region needs.
    """
    problems: list[Problem] = []
    for name, spec in specs.items():
        path = f"regions[{name}].existing.{cloud.value}"
        lookups = Lookups(path, pulumi.InvokeOptions(provider=providers[name]))
        look_up(spec, lookups)
        problems += lookups.problems
    if problems:
        raise ConfigurationError(problems)


def _find_reason(error: Exception) -> str:
    """Return the cloud's message on one line. Raise errors again that did not come from a cloud."""
    message = " ".join(str(error).split())
    if not message.startswith(_FAILED):
        raise error
    reason = message.partition(" failed: ")[2] or message
    return reason.rstrip(".") if len(reason) <= _LONGEST_MESSAGE else f"{reason[:_LONGEST_MESSAGE]}…"
