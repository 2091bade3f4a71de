"""Files that users write: what would take long, or much memory, is refused at once; so are duplicate keys."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from novacron_infra.user_files import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    UserFileError,
    parse_json,
    parse_yaml,
    read_text,
    read_yaml_mapping,
)


def billion_laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 9, 60])
def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path, levels: int) -> None:
    (tmp_path / "bomb.yaml").write_text(billion_laughs(levels))
    began = time.monotonic()
    with pytest.raises(UserFileError, match=r"bomb.yaml is not valid YAML: aliases expand to more than 100,000 values"):
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
    with pytest.raises(UserFileError, match="nested too deeply; use at most 100 levels"):
        parse_yaml(text, "Pulumi.dev.yaml")


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {b: [c, {d: *a}]}"])
def test_an_anchor_that_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(UserFileError, match="an anchor contains itself"):
        parse_yaml(text, "Pulumi.dev.yaml")


def test_aliases_and_merge_keys_of_an_ordinary_size_are_read() -> None:
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\nboth: [*base, *base]\n"
    assert parse_yaml(text, "Pulumi.dev.yaml") == {
        "base": {"a": 1, "b": 2},
        "one": {"a": 1, "b": 3},
        "both": [{"a": 1, "b": 2}, {"a": 1, "b": 2}],
    }
    assert parse_yaml("a: " + "[" * 98 + "]" * 98, "Pulumi.dev.yaml")["a"]


HUGE = {
    "one scalar": "a: " + "x" * (2 * MAX_BYTES),
    "a comment": "#" + "x" * (2 * MAX_BYTES) + "\na: 1\n",
    "many keys": "".join(f"key{n}: 1\n" for n in range(300_000)),
    "keys that just fit": "".join(f"k{n}:\n" for n in range(110_000)),
    "merge keys": "a: &a {b: 1}\n" + "".join(f"k{n}: {{<<: *a}}\n" for n in range(40_000)),
    "lists in lists": "- " * 50_000 + "x",
    "nested blocks": "".join(" " * n + "k:\n" for n in range(1_000)),
    "nested flows": "[" * 100_000 + "]" * 100_000,
    "not closed": "[" * 100_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_huge_and_deep_files_are_refused_within_a_second(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(UserFileError, match=r"larger than 4 MiB|more than 20,000 values|nested too deeply") as error:
        read_yaml_mapping(file)
    assert time.process_time() - began < 2  # 1 s on an idle machine
    assert len(str(error.value)) < 500


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    with file.open("wb") as opened:
        opened.truncate(100 * MAX_BYTES)
    tracemalloc.start()
    with pytest.raises(UserFileError, match="is larger than 4 MiB"):
        read_text(file)
    assert tracemalloc.get_traced_memory()[1] < 5 * MAX_BYTES
    tracemalloc.stop()


def test_a_file_of_an_ordinary_size_is_read() -> None:
    text = "".join(f"k{n}: {n}\n" for n in range(MAX_VALUES // 2 - 1))
    assert len(parse_yaml(text, "Pulumi.dev.yaml")) == MAX_VALUES // 2 - 1


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ('{"a": 1, "a": 2}', "p.json: duplicate key 'a'; remove one of the two"),
        ("[" * 100_000, "p.json: lists or mappings are nested too deeply; use at most 100 levels"),
        ("{", "p.json is not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_json_is_read_with_the_same_bounds(text: str, explained: str) -> None:
    with pytest.raises(UserFileError) as error:
        parse_json(text, "p.json")
    assert str(error.value) == explained


def test_errors_name_the_file_and_the_place() -> None:
    with pytest.raises(
        UserFileError, match=r"Pulumi.dev.yaml is not valid YAML: duplicate key 'b'.*\(line 2, column 1\)"
    ):
        parse_yaml("b: 1\nb: 2\n", "Pulumi.dev.yaml")


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ("a:\n\tb: 1\n", "YAML does not allow tabs for indentation; use spaces (line 2, column 1)"),
        ("a:\n  b: 1\n  \tc: 2\n", "YAML does not allow tabs for indentation; use spaces (line 3, column 3)"),
        ("a: [1, 2\nb: 3\n", "the `[` of line 1 is not closed; add `]` (line 2, column 2)"),
        ("a:\n  {b: 1\n", "the `{` of line 2 is not closed; add `}` (line 3, column 1)"),
        ("a:\n  b: 1\n  b: 2\n", "duplicate key 'b'; remove one of the two (line 3, column 3)"),
        ("a: 1\nb\nc: 2\n", "the key has no `:`; write `key: value` (line 2, column 1)"),
        (
            "config:\n  novacron:environment\n    platform: local\n",
            "a `:` is not allowed here; add the missing `:` to the line above, or put a value that contains `: ` in "
            "quotes (line 3, column 13)",
        ),
        ("a: 'x\nb: 2\n", "the quoted text does not end; add the closing quote (line 1, column 4)"),
        (
            "a:\n  b: 1\n c: 2\n",
            "the line does not belong to the list or mapping above it; indent all its lines equally (line 3, column 2)",
        ),
        ("a: 'b' c\n", "there is text after the end of the value; put the whole value in quotes (line 1, column 8)"),
        ("a: @x\n", "a value cannot start with `@`; put it in quotes (line 1, column 4)"),
        ("a: *x\n", "the alias `*x` has no anchor `&x`; put a text that starts with `*` in quotes (line 1, column 4)"),
        ("a: &b 1\nc: &b 2\n", "the anchor `&b` is defined twice; rename one of them (line 2, column 4)"),
        ("a: !x y\n", "the tag `!x` is unknown; put a text that starts with `!` in quotes (line 1, column 4)"),
        ("a: 1\n---\nb: 1\n", "the file holds more than one document; remove `---` (line 2, column 1)"),
        (
            "a: 2024-13-45\n",
            "`2024-13-45` looks like a number or a date but is not one; put it in quotes (line 1, column 4)",
        ),
        ("a: 1\nb: x\x00\n", "the character U+0000 is not allowed; remove it (line 2, column 5)"),
        ('a: "\\q"\n', r"`\q` is not an escape sequence; write `\\q`, or use single quotes (line 1, column 6)"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(text: str, explained: str) -> None:
    with pytest.raises(UserFileError) as error:
        parse_yaml(text, "Pulumi.dev.yaml")
    assert str(error.value) == f"Pulumi.dev.yaml is not valid YAML: {explained}"
