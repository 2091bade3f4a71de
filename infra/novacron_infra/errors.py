"""Errors of the infrastructure package. Every message names the field or thing, its value, the rule and a fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class NovaCronError(Exception):
    """Base of all errors here."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration."""

    path: str
    value: str
    rule: str
    fix: str
    details: tuple[str, ...] = ()
    """The arithmetic behind the rule, and what would hold."""

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.path} = {self.value}: {self.rule}. {self.fix}", *(f"      {x}" for x in self.details)]
        )


class ConfigurationError(NovaCronError):
    """A configuration with everything that is wrong with it."""

    subject = "the environment has"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{self.subject} {count}:", *(f"  - {problem}" for problem in problems)]))


class ArgumentError(ConfigurationError):
    """Arguments of a component with everything that is wrong with them. Nothing was created."""

    subject = "the arguments have"


def refuse(problems: Sequence[Problem]) -> None:
    """Ends a component before it makes anything, when something is wrong. Raises ArgumentError."""
    if problems:
        raise ArgumentError(problems)


class LocalProcessError(NovaCronError):
    """A local process cannot be started or did not become ready."""
