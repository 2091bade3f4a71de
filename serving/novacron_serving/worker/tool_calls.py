"""Tool calls in a model's output: parsing them, and the guides that make a model write them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, cast

from novacron_serving.chat_templates import read_chat_templates
from novacron_serving.protocol.openai import Tool

ARGUMENTS = ("arguments", "parameters")
"""The names that models use for this field."""


class ToolFormat(str, Enum):
    """How a model writes tool calls that it decides to make, by its chat template."""

    HERMES = "hermes"
    """`<tool_call>{"name": …, "arguments": …}</tool_call>` within text: Hermes, Qwen 2.5 and 3."""
    JSON = "json"
    """The whole text is `{"name": …, "parameters": …}` or a list of these: Llama 3.1 to 3.3, Mistral."""


CALL_SYNTAX = {
    ToolFormat.HERMES: ("<tool_call>", '<tool_call>\n{"name": "NAME", "arguments": ', "}\n</tool_call>"),
    ToolFormat.JSON: ('{"name": "', '{"name": "NAME", "parameters": ', "}"),
}
"""By format: the trigger of a call, the text before its arguments, and the text after them."""
MARKS: tuple[tuple[str, ToolFormat], ...] = (
    ("<tool_call>", ToolFormat.HERMES),
    ("[TOOL_CALLS]", ToolFormat.JSON),
    ("<|python_tag|>", ToolFormat.JSON),
    ('"parameters": ', ToolFormat.JSON),
)


def detect_tool_format(model_path: Path, chat_template: Path | None = None) -> ToolFormat | None:
    """Return the format of a model's tool calls, from its chat template. None: no tools, or an unknown format.

    Args:
        model_path: the model's folder.
        chat_template: a file whose template is used instead of the model's.
    """
    if chat_template is not None:
        template = chat_template.read_text()
    else:
        template = "\n".join(text for templates in read_chat_templates(model_path).values() for text in templates)
    if "tools" not in template or "<function=" in template:  # Qwen 3 Coder writes XML between Hermes' tags
        return None
    return next((tool_format for mark, tool_format in MARKS if mark in template), None)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the content."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The start of a call."""

    number: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """A piece of a call's arguments."""

    number: int
    text: str


Piece = Text | Call | Arguments


class ToolCallParser(Protocol):
    """Splits the text of one choice into content and calls."""

    calls: int
    """Number of calls so far."""

    def feed(self, text: str) -> Sequence[Piece]:
        """Return the pieces that are complete with this text."""
        ...

    def finish(self) -> Sequence[Piece]:
        """Return the pieces of text that was held back until the end."""
        ...


class PlainParser:
    """All text is content."""

    calls = 0

    def feed(self, text: str) -> Sequence[Piece]:
        """Return the text as content."""
        return [Text(text)] if text else []

    def finish(self) -> Sequence[Piece]:
        """Return nothing: no text is held back."""
        return []


class NamedParser:
    """All text is the arguments of one function."""

    def __init__(self, name: str) -> None:
        self.calls = 0
        self._name = name

    def feed(self, text: str) -> Sequence[Piece]:
        """Return the start of the call once, and arguments as they arrive."""
        start = [] if self.calls else [_start(0, self._name)]
        self.calls = 1
        return [*start, *([Arguments(0, text)] if text else [])]

    def finish(self) -> Sequence[Piece]:
        """Return the call if there was no text at all."""
        return [] if self.calls else self.feed("")


class JsonParser:
    """Calls are JSON objects with a name and arguments, in a list or one after the other. Anything else is content."""

    def __init__(self, tools: Sequence[Tool], *, max_calls: int | None) -> None:
        self.calls = 0
        self._names = {tool.function.name for tool in tools}
        self._max = max_calls
        self._held = ""
        self._is_content = False

    def feed(self, text: str) -> Sequence[Piece]:
        """Return the calls that are complete."""
        if self._is_content:
            return [Text(text)] if text else []
        self._held += text
        pieces: list[Piece] = []
        while (start := self._held.lstrip(" \t\r\n;,[]" if self.calls else " \t\r\n[")).startswith("{"):
            try:
                value, end = json.JSONDecoder().raw_decode(start)
            except (ValueError, RecursionError):
                return pieces  # incomplete
            call = _parse_call(value, self._names)
            if call is None:
                break
            self._held = start[end:]
            if self._max is None or self.calls < self._max:
                pieces += [_start(self.calls, call[0]), Arguments(self.calls, call[1])]
                self.calls += 1
        if start and not self.calls:
            self._is_content = True
            pieces.append(Text(self._held))
            self._held = ""
        return pieces

    def finish(self) -> Sequence[Piece]:
        """Return text that did not become a call, as content."""
        held, self._held = self._held.lstrip(" \t\r\n;,[]") if self.calls else self._held, ""
        return [Text(held)] if held else []


class HermesParser:
    """Calls are between tags, with content around them."""

    BEGIN, END = "<tool_call>", "</tool_call>"

    def __init__(self, tools: Sequence[Tool], *, max_calls: int | None) -> None:
        self.calls = 0
        self._names = {tool.function.name for tool in tools}
        self._max = max_calls
        self._held = ""

    def feed(self, text: str) -> Sequence[Piece]:
        """Return content up to a possible start of a tag, and calls that are complete."""
        self._held += text
        pieces: list[Piece] = []
        while (begin := self._held.find(self.BEGIN)) >= 0:
            pieces += self._content(self._held[:begin])
            self._held = self._held[begin:]
            end = self._held.find(self.END)
            if end < 0:
                return pieces
            whole, self._held = self._held[: end + len(self.END)], self._held[end + len(self.END) :]
            pieces += self._parse(whole)
        shown = len(self._held) - next(
            (n for n in range(min(len(self.BEGIN) - 1, len(self._held)), 0, -1) if self._held.endswith(self.BEGIN[:n])),
            0,
        )
        pieces += self._content(self._held[:shown])
        self._held = self._held[shown:]
        return pieces

    def finish(self) -> Sequence[Piece]:
        """Return an unclosed call if its JSON is complete. Otherwise, return the text as content."""
        held, self._held = self._held, ""
        if held.startswith(self.BEGIN):
            return self._parse(held)
        return self._content(held)

    def _content(self, text: str) -> Sequence[Piece]:
        return [Text(text)] if text and not (self.calls and text.isspace()) else []

    def _parse(self, whole: str) -> Sequence[Piece]:
        try:
            value = json.loads(whole.removeprefix(self.BEGIN).removesuffix(self.END))
        except (ValueError, RecursionError):
            return [Text(whole)]
        call = _parse_call(value, self._names)
        if call is None:
            return [Text(whole)]
        if self._max is not None and self.calls >= self._max:
            return []
        self.calls += 1
        return [_start(self.calls - 1, call[0]), Arguments(self.calls - 1, call[1])]


def _start(number: int, name: str) -> Call:
    return Call(number, f"call_{uuid.uuid4().hex[:24]}", name)


def _parse_call(value: object, names: set[str]) -> tuple[str, str] | None:
    if not isinstance(value, Mapping):
        return None
    fields = cast("Mapping[str, Any]", value)
    if isinstance(fields.get("function"), Mapping):
        fields = cast("Mapping[str, Any]", fields["function"])
    name = fields.get("name")
    arguments = next((fields[key] for key in ARGUMENTS if key in fields), {})
    if not isinstance(name, str) or name not in names or not isinstance(arguments, Mapping):
        return None
    return name, json.dumps(arguments, ensure_ascii=False)


def make_structural_tag(tools: Sequence[Tool], tool_format: ToolFormat) -> dict[str, Any]:
    """Return the structural tag for text with calls. The arguments of a strict function follow its schema."""
    trigger, begin, end = CALL_SYNTAX[tool_format]
    return {
        "type": "structural_tag",
        "triggers": [trigger],
        "structures": [
            {
                "begin": begin.replace("NAME", tool.function.name),
                "schema": tool.function.schema_of_arguments if tool.function.strict else {"type": "object"},
                "end": end,
            }
            for tool in tools
        ],
    }


def make_calls_schema(tools: Sequence[Tool], *, max_calls: int | None) -> dict[str, Any]:
    """Return the JSON schema of a list of at least one call, for `JsonParser`."""
    calls: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.function.name}, "arguments": tool.function.schema_of_arguments},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    listed: dict[str, Any] = {
        "type": "array",
        "minItems": 1,
        "items": calls[0] if len(calls) == 1 else {"anyOf": calls},
    }
    return listed if max_calls is None else listed | {"maxItems": max_calls}


def make_choice_schema(tools: Sequence[Tool], schema: dict[str, Any], *, max_calls: int | None) -> dict[str, Any]:
    """Return the JSON schema of calls, or of a response with a schema of its own. `JsonParser` tells them apart."""
    calls = make_calls_schema(tools, max_calls=max_calls)
    place = "#/$defs/response"
    return {"anyOf": [calls, {"$ref": place}], "$defs": {"response": _move_references(schema, place)}}


def _move_references(value: Any, place: str) -> Any:
    """Return a schema whose references to its own root point to a place in another schema."""
    if isinstance(value, list):
        return [_move_references(item, place) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    return {
        key: f"{place}{item[1:]}"
        if key == "$ref" and isinstance(item, str) and item.startswith("#")
        else _move_references(item, place)
        for key, item in cast("dict[str, Any]", value).items()
    }
