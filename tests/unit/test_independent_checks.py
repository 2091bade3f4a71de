"""The figures of docs/independent-checks.md are those that the tests' own data give."""

from __future__ import annotations

from tests.unit.independent import PAGE, counted, written


def test_the_page_has_the_figures_that_are_counted_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(counted()), "make golden writes it again"
