"""The page of stack outputs says what the types say."""

from __future__ import annotations

from pathlib import Path

from novacron_infra.outputs import page

ROOT = Path(__file__).parents[2]


def test_the_page_of_outputs_is_the_one_that_the_types_make() -> None:
    assert (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8") == page()
