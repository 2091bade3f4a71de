"""The figures of docs/independent-checks.md are those that the tests' own data give."""

from __future__ import annotations

import pytest

from tests.unit.independent import PAGE, Cover, counted, covers, written


def test_the_page_has_the_figures_that_are_counted_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(counted()), "make golden writes it again"


@pytest.fixture(scope="module")
def found() -> dict[str, Cover]:
    return {item.cloud: item for item in covers()}


@pytest.mark.parametrize(("cloud", "share"), [("Amazon", 0.97), ("Google", 0.97), ("Azure", 0.89)])
def test_little_is_unchecked(found: dict[str, Cover], cloud: str, share: float) -> None:
    cover = found[cloud]
    assert 1 - len(cover.unchecked) / len(cover.planned) > share
    assert len(cover.unchecked_types) <= 3
