"""Reads the YAML and JSON files that users write, within bounds of time and memory.

Refused are large files, many values, deep nesting, aliases that expand to many values, and duplicate keys.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from novacron_infra.errors import NovaCronError

MAX_BYTES = 4 * 2**20
"""Size of a file. NovaCron's own configuration has some kilobytes; other programs may have larger values in theirs."""
MAX_VALUES = 20_000
"""Values, keys included, that are written in a document: PyYAML reads about 30,000 in a second."""
MAX_EXPANDED = 100_000
"""Values in a document after its aliases are expanded."""
MAX_DEPTH = 100
"""Levels of lists and mappings inside each other."""

_MAX_REASON = 1000
"""Characters of the reason in an error; it quotes keys and aliases of any length."""
_MAX_VALUE = 40
"""Characters of a value that an error quotes."""

_TOO_DEEP = f"lists or mappings are nested too deeply; use at most {MAX_DEPTH} levels"
_TABS = "YAML does not allow tabs for indentation; use spaces"
_NOT_CLOSED = "the `{0}` of line {1} is not closed; add `{2}`"
_REASONS = (
    (r"found character '\\t' that cannot start any token", _TABS),
    (r"found character '(.+)' that cannot start any token", "a value cannot start with `{0}`; put it in quotes"),
    (r"could not find expected ':'", "the key has no `:`; write `key: value`"),
    (
        r"mapping values are not allowed here",
        "a `:` is not allowed here; add the missing `:` to the line above, or put a value that contains `: ` in quotes",
    ),
    (r"found unexpected end of stream", "the quoted text does not end; add the closing quote"),
    (
        r"expected <block end>, but found '<scalar>'",
        "there is text after the end of the value; put the whole value in quotes",
    ),
    (
        r"expected <block end>, but found ",
        "the line does not belong to the list or mapping above it; indent all its lines equally",
    ),
    (
        r"found undefined alias '(.+)'",
        "the alias `*{0}` has no anchor `&{0}`; put a text that starts with `*` in quotes",
    ),
    (r"found duplicate anchor '(.+)';", "the anchor `&{0}` is defined twice; rename one of them"),
    (
        r"could not determine a constructor for the tag '(.+)'",
        "the tag `{0}` is unknown; put a text that starts with `!` in quotes",
    ),
    (r"but found another document", "the file holds more than one document; remove `---`"),
    (r"found unhashable key", "a key is a list or a mapping; a key must be a text or a number"),
    (
        r"found unknown escape character '(.+)'",
        r"`\{0}` is not an escape sequence; write `\\{0}`, or use single quotes",
    ),
)
"""Explanations with a fix, by PyYAML's words for the problem."""
_AT_START = ("could not find expected ':'", "found unexpected end of stream")
"""Problems whose place is where the key or the quoted text starts."""


class UserFileError(NovaCronError):
    """A file that cannot be read. The message names it, and says what is wrong and what to do."""


class _Loader(yaml.SafeLoader):
    """A safe loader. PyYAML itself keeps the last of two equal keys and expands aliases without a limit."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"there are more than {MAX_VALUES:,} values; write fewer",
                problem_mark=self.peek_event().start_mark,
            )
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=self.peek_event().start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _expanded_size(node, 1, {}, set())
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"duplicate key {key.value!r}; remove one of the two", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # 2024-13-45 looks like a date
            shown = str(node.value)[:_MAX_VALUE]
            raise yaml.MarkedYAMLError(
                problem=f"`{shown}` looks like a number or a date but is not one; put it in quotes",
                problem_mark=node.start_mark,
            ) from error


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        UserFileError: if the file is missing, is larger than `MAX_BYTES`, is not a mapping, or is refused by
            `parse_yaml`. The message has the line and the column, and what to do.
    """
    content = parse_yaml(read_text(path), str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserFileError(f"{path} is a {type(content).__name__}; it must be a mapping of keys to values")
    return content


def read_text(path: Path) -> str:
    """Return the text of a file. Raises UserFileError if it is missing, too large or not text."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UserFileError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; name a smaller file")
        return content.decode()
    except FileNotFoundError as error:
        raise UserFileError(f"{path} does not exist; name a file that does") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserFileError(f"{path} cannot be read: {error}") from error


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of a YAML text; `source` names it in errors.

    Raises:
        UserFileError: if the text is not YAML, has a duplicate key, has more than `MAX_VALUES` values, expands to more
            than `MAX_EXPANDED`, or is nested more than `MAX_DEPTH` levels deep.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise UserFileError(f"{source} is not valid YAML: {_explain(error, text)}") from error


def parse_json(text: str, source: str) -> Any:
    """Return the value of a JSON text; `source` names it in errors.

    Raises:
        UserFileError: if the text is not JSON, has a duplicate key, or is nested too deeply.
    """

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise UserFileError(f"{source}: duplicate key {key[:_MAX_VALUE]!r}; remove one of the two")
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=build)
    except RecursionError as error:
        raise UserFileError(f"{source}: {_TOO_DEEP}") from error
    except ValueError as error:
        raise UserFileError(f"{source} is not valid JSON: {error}") from error


def _explain(error: yaml.YAMLError, text: str) -> str:
    """Return what is wrong with a text, what to do, and the line and the column in brackets."""
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        return (
            f"the character U+{ord(text[error.position]):04X} is not allowed; remove it (line {line}, column {column})"
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error)[:_MAX_REASON]
    problem = error.problem or ""
    mark = (error.context_mark if problem in _AT_START else None) or error.problem_mark
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return _describe_problem(problem, error, text)[:_MAX_REASON] + place


def _describe_problem(problem: str, error: yaml.MarkedYAMLError, text: str) -> str:
    mark, start = error.problem_mark, error.context_mark
    if mark and re.match(r" *\t", text.split("\n")[mark.line]):
        return _TABS
    if start and (match := re.match(r"expected ',' or '([\]}])'", problem)):
        opening = {"]": "[", "}": "{"}[match[1]]
        return _NOT_CLOSED.format(opening, start.line + 1, match[1])
    words = ", ".join(part for part in (error.context, problem) if part)
    for pattern, reason in _REASONS:
        if match := re.search(pattern, words):
            return reason.format(*match.groups())
    return words


def _expanded_size(node: yaml.Node, depth: int, known: dict[int, tuple[int, int]], open_nodes: set[int]) -> int:
    """Return how many values a node holds once its aliases are expanded; `known` keeps sizes and heights of nodes."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in open_nodes:
        raise yaml.MarkedYAMLError(
            problem="an anchor contains itself; write its value out", problem_mark=node.start_mark
        )
    size, height = known.get(id(node), (1, 1))
    if id(node) not in known:
        open_nodes.add(id(node))
        for child in _children(node):
            if depth >= MAX_DEPTH:
                break
            size += _expanded_size(child, depth + 1, known, open_nodes)
            height = max(height, 1 + known.get(id(child), (1, 1))[1])
        open_nodes.remove(id(node))
        known[id(node)] = size, height
    if depth + height > MAX_DEPTH:
        raise yaml.MarkedYAMLError(
            problem=_TOO_DEEP,
            problem_mark=node.start_mark,
        )
    if size > MAX_EXPANDED:
        raise yaml.MarkedYAMLError(
            problem=f"aliases expand to more than {MAX_EXPANDED:,} values; write fewer aliases inside each other",
            problem_mark=node.start_mark,
        )
    return size


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
