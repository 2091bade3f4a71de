"""Printing on standard output."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

console = Console(soft_wrap=True)  # the terminal wraps lines, so that sentences can be copied and searched


def say(text: str, *, style: str = "") -> None:
    """Print a message for people. Square brackets in it are text, not markup."""
    console.print(text, style=style, highlight=False, markup=False)


def write_lines(lines: Iterable[str]) -> None:
    """Print lines exactly as they are: output for programs, shells and tables."""
    for line in lines:
        print(line)  # noqa: T201
