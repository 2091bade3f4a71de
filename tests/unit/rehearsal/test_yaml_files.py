"""YAML that users write: duplicate keys, aliases that multiply and deep nesting are refused at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.yaml_files import MAX_DEPTH, parse_yaml, read_yaml_mapping


def billion_laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 9, 60])
def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path, levels: int) -> None:
    (tmp_path / "bomb.yaml").write_text(billion_laughs(levels))
    began = time.monotonic()
    with pytest.raises(
        RehearsalError, match=r"bomb.yaml is not valid YAML: aliases expand to more than 100,000 values"
    ):
        read_yaml_mapping(tmp_path / "bomb.yaml")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000 + "]" * 3000,
        "a: " + "{b: " * 3000 + "1" + "}" * 3000,
        "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))]),
    ],
    ids=["lists", "mappings", "one level too many", "aliases"],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(RehearsalError, match="nested too deeply; use at most 100 levels"):
        parse_yaml(text, "Pulumi.dev.yaml")


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {b: [c, {d: *a}]}"])
def test_an_anchor_that_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(RehearsalError, match="an anchor contains itself"):
        parse_yaml(text, "Pulumi.dev.yaml")


def test_aliases_and_merge_keys_of_an_ordinary_size_are_read() -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\nboth: [*base, *base]\n"
    assert parse_yaml(text, "Pulumi.dev.yaml") == {
        "base": {"a": 1, "b": 2},
        "one": {"a": 1, "b": 3},
        "both": [{"a": 1, "b": 2}, {"a": 1, "b": 2}],
    }
    assert parse_yaml("a: " + "[" * 98 + "]" * 98, "Pulumi.dev.yaml")["a"]


def test_errors_name_the_file_and_the_place() -> None:
    with pytest.raises(RehearsalError, match=r'duplicate key \'b\'\n  in "Pulumi.dev.yaml", line 2, column 1'):
        parse_yaml("b: 1\nb: 2\n", "Pulumi.dev.yaml")
