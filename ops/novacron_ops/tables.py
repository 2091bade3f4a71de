"""Tables: one value that prints as aligned text and tells an HTML template how to align its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_FIGURE = re.compile(r"\d[\d,.]*( ?%| min| s)?")
_UNLIMITED_WIDTH = 100_000
"""Characters; a table never wraps, so that its lines can be copied and searched."""


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of text cells.

    The output has no colours and does not depend on the terminal: it is the same on a screen, in a pipe and in a file.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def figure_columns(self) -> tuple[bool, ...]:
        """Whether each column holds figures, which are aligned to the right. The first column never does."""
        return tuple(
            index > 0 and any(is_figure(row[index]) for row in self.rows) for index in range(len(self.headings))
        )

    def lines(self) -> list[str]:
        """Return the table as text lines without trailing spaces, headings first.

        Raises:
            ValueError: if a row has more or fewer cells than there are headings.
        """
        if uneven := next((row for row in self.rows if len(row) != len(self.headings)), None):
            raise ValueError(f"row {list(uneven)} has {len(uneven)} cells; the table has {len(self.headings)} columns")
        table = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
        for heading, figure in zip(self.headings, self.figure_columns, strict=True):
            table.add_column(Text(heading), justify="right" if figure else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        printed = StringIO()
        Console(file=printed, width=_UNLIMITED_WIDTH, color_system=None).print(table)
        return [line.rstrip() for line in printed.getvalue().splitlines()]


def is_figure(cell: str) -> bool:
    """Return whether a cell is a number, with or without thousands separators and a unit."""
    return _FIGURE.fullmatch(cell) is not None


def indent(lines: Sequence[str]) -> list[str]:
    """Return lines indented by two spaces, as below a heading."""
    return [f"  {line}" for line in lines]
