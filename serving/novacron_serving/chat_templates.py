"""Chat templates: where they are in a model's folder, and whether they are valid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from novacron_serving.errors import one_line

TEMPLATE_FILES = ("chat_template.jinja", "additional_chat_templates/*.jinja")
CONFIG_FILES = ("tokenizer_config.json", "chat_template.json")
"""Files with a template, or several named ones, under `chat_template`."""


def read_chat_templates(folder: Path) -> dict[Path, tuple[str, ...]]:
    """Return the chat templates of a model's folder, by the file that has them.

    Raises:
        ValueError: a file is not UTF-8 or not JSON.
        OSError: a file cannot be read.
    """
    found: dict[Path, tuple[str, ...]] = {}
    for path in (path for pattern in TEMPLATE_FILES for path in sorted(folder.glob(pattern))):
        found[path] = (path.read_text(),)
    for path in (folder / name for name in CONFIG_FILES):
        if path.is_file() and (templates := _find_templates(json.loads(path.read_bytes()))):
            found[path] = templates
    return found


def find_syntax_error(template: str) -> str | None:
    """Return what is wrong with the syntax of a template, or None. Without jinja2 nothing is found."""
    try:
        from jinja2 import Environment, TemplateError, nodes
        from jinja2.ext import Extension, loopcontrols
        from jinja2.parser import Parser
    except ImportError:
        return None

    class Generation(Extension):
        """The tag of transformers around what an assistant says."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    try:
        Environment(extensions=[Generation, loopcontrols], autoescape=False).from_string(template)  # noqa: S701 - text
    except (TemplateError, RecursionError) as error:
        line: object = getattr(error, "lineno", None)
        return one_line(error) if line is None else f"line {line}: {one_line(error)}"
    return None


def _find_templates(config: object) -> tuple[str, ...]:
    """Return the templates of a JSON configuration: one, or a list or an object of named ones."""
    if not isinstance(config, dict):
        return ()
    value: object = cast("dict[str, object]", config).get("chat_template")
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        named: list[object] = list(cast("Mapping[str, object]", value).values())
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        named = [cast("Mapping[str, object]", item).get("template") for item in items if isinstance(item, Mapping)]
    else:
        return ()
    return tuple(item for item in named if isinstance(item, str))
