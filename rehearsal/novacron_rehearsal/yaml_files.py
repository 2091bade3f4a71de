"""Reads YAML that users write. Refuses duplicate keys, deep nesting, and aliases that expand to too many values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from novacron_rehearsal.errors import InputError

MAX_NODES = 100_000
"""Values in a document after its aliases are expanded; a stack's configuration has some hundred."""
MAX_DEPTH = 100
"""Levels of lists and mappings inside each other."""

_MAX_REASON = 1000
"""Characters of PyYAML's reason in an error; it quotes keys and aliases of any length."""


class _Loader(yaml.SafeLoader):
    """A safe loader. PyYAML itself keeps the last of two equal keys and expands aliases without a limit."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _expanded_size(node, 1, {}, set())
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key.value!r}", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        InputError: if the file is missing, is not YAML, is not a mapping, has a duplicate key, or expands to more
            than `MAX_NODES` values; with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; run the command in the folder of a Pulumi project") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    content = parse_yaml(text, str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} is a {type(content).__name__}; it must be a mapping of keys to values")
    return content


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of a YAML text; `source` names it in errors.

    Raises:
        InputError: if the text is not YAML, has a duplicate key, or expands to more than `MAX_NODES` values.
    """
    try:
        loader = _Loader(text)
        loader.name = source  # PyYAML's errors name it, with line and column
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2024-13-45 looks like a date
        raise InputError(f"{source} is not valid YAML: {str(error)[:_MAX_REASON]}") from error
    except RecursionError as error:
        raise InputError(
            f"{source}: lists or mappings are nested too deeply; use at most {MAX_DEPTH} levels"
        ) from error


def _expanded_size(node: yaml.Node, depth: int, known: dict[int, tuple[int, int]], open_nodes: set[int]) -> int:
    """Return how many values a node holds once its aliases are expanded; `known` keeps sizes and heights of nodes."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in open_nodes:
        raise yaml.MarkedYAMLError(problem="an anchor contains itself", problem_mark=node.start_mark)
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
            problem=f"lists or mappings are nested too deeply; use at most {MAX_DEPTH} levels",
            problem_mark=node.start_mark,
        )
    if size > MAX_NODES:
        raise yaml.MarkedYAMLError(
            problem=f"aliases expand to more than {MAX_NODES:,} values; write fewer aliases inside each other",
            problem_mark=node.start_mark,
        )
    return size


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
