"""Errors of this package. Every problem states a path, the value at it, the rule that it breaks and a fix."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
        return "\n".join([head, *(f"      {line}" for line in self.details)])


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
        name, item = _find_list(problem.path)
        if item is not None:
            items[name][item] = None
    shown = {name: set(list(found)[:_SHOWN_ITEMS]) for name, found in items.items()}
    summarized: set[str] = set()
    for problem in problems:
        name, item = _find_list(problem.path)
        if item is None or item in shown[name]:
            yield str(problem)
        elif name not in summarized:
            summarized.add(name)
            yield f"{name}: {len(items[name]) - _SHOWN_ITEMS} more items have problems"


def _find_list(path: str) -> tuple[str, str | None]:
    """Return the path of the innermost list in `path` and its item, such as `.0`, or None for a path without a list."""
    items = list(_LIST_ITEM.finditer(path))
    return (path[: items[-1].start()], items[-1].group()) if items else (path, None)
