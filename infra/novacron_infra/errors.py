"""Errors of this package. Every problem states a path, the value at it, the rule that it breaks and a fix."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novacron_infra.shown_values import name_look_alikes

_LIST_ITEM = re.compile(r"\.\d+(?![^.])|\[[^]]+\]")
_SHOWN_ITEMS = 10
"""Items of one list whose problems a message shows."""


class NovaCronError(Exception):
    """Base class of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration or with the arguments of a component."""

    path: str
    """The dotted path of the value; a list's item has its name or its number: `regions[us-west-2].weight`."""
    value: str | None
    """The value as the user typed it, or None if the value is missing."""
    rule: str
    """The rule that the value breaks: a clause without a full stop."""
    fix: str
    """Whole sentences with the remedy. The last one has no full stop, because it often ends with a value to copy."""
    details: tuple[str, ...] = ()
    """Further lines: the arithmetic behind the rule, and the values that would keep it."""
    is_default: bool = False
    """Whether the user did not write the value: it is the default of its key."""

    def __str__(self) -> str:
        shown = f"{self.value} (the default)" if self.is_default else self.value
        subject = f"{self.path} is missing" if self.value is None else f"{self.path} = {shown}"
        head = f"{subject}: {self.rule}. {self.fix}"
        lines = (*self.details, *name_look_alikes(self.value or ""))
        return "\n".join([head, *(f"      {line}" for line in lines)])


class ConfigurationError(NovaCronError):
    """A configuration with problems. `problems` has all of them; the message shows the first ten items of each list."""

    subject = "the environment has"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{self.subject} {count}:", *(f"  - {line}" for line in _shorten(problems))]))


class ArgumentError(ConfigurationError):
    """The arguments of a component have problems. The component created nothing."""

    subject = "the arguments have"


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise an ArgumentError if there are problems. Components call it before they declare any resource."""
    if problems:
        raise ArgumentError(problems)


class LocalProcessError(NovaCronError):
    """A local process that cannot be started or did not become ready."""


def _shorten(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield the problems as text; of each list the first ten items with problems, then the number of the others."""
    items: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for problem in problems:
        for name, item in _find_lists(problem.path):
            items[name][item] = None
    shown = {name: set(list(found)[:_SHOWN_ITEMS]) for name, found in items.items()}
    summarized: set[str] = set()
    for problem in problems:
        hidden = next((name for name, item in _find_lists(problem.path) if item not in shown[name]), None)
        if hidden is None:
            yield str(problem)
        elif hidden not in summarized:
            summarized.add(hidden)
            yield f"{hidden}: {len(items[hidden]) - _SHOWN_ITEMS} more items have problems"


def _find_lists(path: str) -> list[tuple[str, str]]:
    """Return the paths of the lists in `path`, the outermost first, each with its item, such as `.0`."""
    return [(path[: item.start()], item.group()) for item in _LIST_ITEM.finditer(path)]
