"""Tables as text: alignment, and the same output on every terminal."""

from __future__ import annotations

import pytest
from novacron_ops.tables import Table, indent, is_figure


def test_figures_are_aligned_to_the_right_and_names_to_the_left() -> None:
    table = Table(
        ["region", "traffic", "limit", "USD/h"],
        [["us-west-2", "40%", "60 min", "379.65"], ["eu", "5%", "120 min", "9.00"]],
    )
    assert table.lines() == [
        "region     traffic    limit   USD/h",
        "us-west-2      40%   60 min  379.65",
        "eu              5%  120 min    9.00",
    ]


def test_a_column_with_one_figure_is_a_figure_column_whatever_its_other_cells_are() -> None:
    assert Table(["role", "USD/h"], [["a", "unpriced"], ["b", "1,034.36"], ["c", ""]]).lines() == [
        "role     USD/h",
        "a     unpriced",
        "b     1,034.36",
        "c",
    ]


def test_the_first_column_is_never_aligned_to_the_right() -> None:
    assert Table(["id", "name"], [["7", "a"], ["123", "b"]]).lines() == ["id   name", "7    a", "123  b"]


def test_a_table_without_rows_is_its_headings() -> None:
    assert Table(["region", "resources"], []).lines() == ["region  resources"]


def test_cells_are_text_and_not_console_markup() -> None:
    assert Table(["name"], [["[bold]x[/bold] :smile: https://example.org"]]).lines()[1] == (
        "[bold]x[/bold] :smile: https://example.org"
    )


@pytest.mark.parametrize("variables", [{"COLUMNS": "20"}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_long_rows_do_not_wrap_and_have_no_colours_on_any_terminal(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Table(["a", "b"], [["x" * 300, "y"]]).lines()[1] == f"{'x' * 300}  y"


def test_a_row_with_a_missing_cell_is_an_error() -> None:
    with pytest.raises(ValueError, match="has 1 cells; the table has 2 columns"):
        Table(["a", "b"], [["x"]]).lines()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("12", True),
        ("1,034.36", True),
        ("40%", True),
        ("60 min", True),
        ("12 × p5", False),
        ("–", False),
        ("", False),
        ("1a", False),
    ],
)
def test_figures_are_recognised(cell: str, expected: bool) -> None:
    assert is_figure(cell) is expected


def test_lines_are_indented_by_two_spaces() -> None:
    assert indent(["a", "b"]) == ["  a", "  b"]
