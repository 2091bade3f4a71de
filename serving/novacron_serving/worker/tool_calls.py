"""Calls of functions in what a model says: as its own template has them written, or as it is held to write them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, cast

from novacron_serving.protocol.openai import Tool

ARGUMENTS = ("arguments", "parameters")
"""What models call them."""


class ToolFormat(str, Enum):
    """How a model's template has it write calls that it makes by itself."""

    HERMES = "hermes"
    """`<tool_call>{"name": …, "arguments": …}</tool_call>` among text: Hermes, Qwen 2.5 and 3."""
    JSON = "json"
    """The whole answer is `{"name": …, "parameters": …}`, or a list of such: Llama 3.1 to 3.3, Mistral."""


WRITTEN = {
    ToolFormat.HERMES: ("<tool_call>", '<tool_call>\n{"name": "NAME", "arguments": ', "}\n</tool_call>"),
    ToolFormat.JSON: ('{"name": "', '{"name": "NAME", "parameters": ', "}"),
}
"""What a call begins with, by form; its whole beginning; its end."""
MARKS: tuple[tuple[str, ToolFormat], ...] = (
    ("<tool_call>", ToolFormat.HERMES),
    ("[TOOL_CALLS]", ToolFormat.JSON),
    ("<|python_tag|>", ToolFormat.JSON),
    ('"parameters": ', ToolFormat.JSON),
)


def tool_format(model_path: Path) -> ToolFormat | None:
    """By the chat template in a model's folder; None: it has no words for calls, or none that are known here."""
    template = _template(model_path)
    if "tools" not in template or "<function=" in template:  # Qwen 3 Coder's XML stands between the same tags
        return None
    return next((form for mark, form in MARKS if mark in template), None)


def _template(model_path: Path) -> str:
    files = [model_path / "chat_template.jinja", *sorted(model_path.glob("additional_chat_templates/tool_use.jinja"))]
    said = [file.read_text() for file in files if file.is_file()]
    config = model_path / "tokenizer_config.json"
    if config.is_file():
        said.append(str(json.loads(config.read_text()).get("chat_template") or ""))
    return "\n".join(said)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer's content."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call begins."""

    number: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """A piece of a call's arguments."""

    number: int
    text: str


Piece = Text | Call | Arguments


class AnswerReader(Protocol):
    """Makes pieces of one answer's text."""

    calls: int
    """Begun so far."""

    def feed(self, text: str) -> Sequence[Piece]:
        """What more text adds."""
        ...

    def rest(self) -> Sequence[Piece]:
        """What was held back, at the end."""
        ...


class PlainReader:
    """No calls."""

    calls = 0

    def feed(self, text: str) -> Sequence[Piece]:
        """It is all content."""
        return [Text(text)] if text else []

    def rest(self) -> Sequence[Piece]:
        """Nothing is held back."""
        return []


class NamedReader:
    """The whole answer is the arguments of one function."""

    def __init__(self, name: str) -> None:
        self.calls = 0
        self._name = name

    def feed(self, text: str) -> Sequence[Piece]:
        """The call, and its arguments as they come."""
        begun = [] if self.calls else [_begin(0, self._name)]
        self.calls = 1
        return [*begun, *([Arguments(0, text)] if text else [])]

    def rest(self) -> Sequence[Piece]:
        """The call, if nothing was said at all."""
        return [] if self.calls else self.feed("")


class JsonReader:
    """Objects with a name and arguments, in a list or one after the other; anything else is content."""

    def __init__(self, tools: Sequence[Tool], *, most_calls: int | None) -> None:
        self.calls = 0
        self._names = {tool.function.name for tool in tools}
        self._most = most_calls
        self._held = ""
        self._is_content = False

    def feed(self, text: str) -> Sequence[Piece]:
        """Calls that are complete."""
        if self._is_content:
            return [Text(text)] if text else []
        self._held += text
        pieces: list[Piece] = []
        while (start := self._held.lstrip(" \t\r\n;,[]" if self.calls else " \t\r\n[")).startswith("{"):
            try:
                said, end = json.JSONDecoder().raw_decode(start)
            except (ValueError, RecursionError):
                return pieces  # it is not whole yet
            call = _call(said, self._names)
            if call is None:
                break
            self._held = start[end:]
            if self._most is None or self.calls < self._most:
                pieces += [_begin(self.calls, call[0]), Arguments(self.calls, call[1])]
                self.calls += 1
        if start and not self.calls:
            self._is_content = True
            pieces.append(Text(self._held))
            self._held = ""
        return pieces

    def rest(self) -> Sequence[Piece]:
        """What has not become a call, is content."""
        held, self._held = self._held.lstrip(" \t\r\n;,[]") if self.calls else self._held, ""
        return [Text(held)] if held else []


class HermesReader:
    """Calls between tags, and text around them."""

    BEGIN, END = "<tool_call>", "</tool_call>"

    def __init__(self, tools: Sequence[Tool], *, most_calls: int | None) -> None:
        self.calls = 0
        self._names = {tool.function.name for tool in tools}
        self._most = most_calls
        self._held = ""

    def feed(self, text: str) -> Sequence[Piece]:
        """Text that is no beginning of a tag, and calls that are complete."""
        self._held += text
        pieces: list[Piece] = []
        while (begin := self._held.find(self.BEGIN)) >= 0:
            pieces += self._content(self._held[:begin])
            self._held = self._held[begin:]
            end = self._held.find(self.END)
            if end < 0:
                return pieces
            whole, self._held = self._held[: end + len(self.END)], self._held[end + len(self.END) :]
            pieces += self._read(whole)
        shown = len(self._held) - next(
            (n for n in range(min(len(self.BEGIN) - 1, len(self._held)), 0, -1) if self._held.endswith(self.BEGIN[:n])),
            0,
        )
        pieces += self._content(self._held[:shown])
        self._held = self._held[shown:]
        return pieces

    def rest(self) -> Sequence[Piece]:
        """A call that was not closed counts, if it is whole; or else it is content."""
        held, self._held = self._held, ""
        if held.startswith(self.BEGIN):
            return self._read(held)
        return self._content(held)

    def _content(self, text: str) -> Sequence[Piece]:
        return [Text(text)] if text and not (self.calls and text.isspace()) else []

    def _read(self, whole: str) -> Sequence[Piece]:
        try:
            said = json.loads(whole.removeprefix(self.BEGIN).removesuffix(self.END))
        except (ValueError, RecursionError):
            return [Text(whole)]
        call = _call(said, self._names)
        if call is None:
            return [Text(whole)]
        if self._most is not None and self.calls >= self._most:
            return []
        self.calls += 1
        return [_begin(self.calls - 1, call[0]), Arguments(self.calls - 1, call[1])]


def _begin(number: int, name: str) -> Call:
    return Call(number, f"call_{uuid.uuid4().hex[:24]}", name)


def _call(said: Any, names: set[str]) -> tuple[str, str] | None:
    if not isinstance(said, Mapping):
        return None
    fields = cast("Mapping[str, Any]", said)
    if isinstance(fields.get("function"), Mapping):
        fields = cast("Mapping[str, Any]", fields["function"])
    name = fields.get("name")
    arguments = next((fields[key] for key in ARGUMENTS if key in fields), {})
    if not isinstance(name, str) or name not in names or not isinstance(arguments, Mapping):
        return None
    return name, json.dumps(arguments, ensure_ascii=False)


def structures_of_calls(tools: Sequence[Tool], form: ToolFormat) -> dict[str, Any]:
    """Text with calls in it, for a structural tag: arguments of a strict function fit its schema."""
    trigger, begin, end = WRITTEN[form]
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


def schema_of_calls(tools: Sequence[Tool], *, most_calls: int | None) -> dict[str, Any]:
    """Of a list of calls, one at least; `JsonReader` reads it."""
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
    return listed if most_calls is None else listed | {"maxItems": most_calls}
