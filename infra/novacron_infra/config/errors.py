"""Every problem of a configuration at once: where, what was given, which rule, and a fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novacron_infra.errors import NovaCronError

CONFIG_KEY = "novacron:environment"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration. `path` is dotted and below `novacron:environment`."""

    path: str
    value: str
    rule: str
    fix: str

    def __str__(self) -> str:
        where = f"{CONFIG_KEY}.{self.path}" if self.path else CONFIG_KEY
        given = f" = {self.value}" if self.value else ""
        return f"{where}{given}: {self.rule}; {self.fix}"


class ConfigurationError(NovaCronError):
    """The configuration has problems; all of them are in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"the environment's configuration has {count}:", *(f"  - {p}" for p in problems)]))
