"""Parsing of tool calls in a model's output, however the text is split."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_serving.protocol.openai import Function, Tool
from novacron_serving.worker.tool_calls import (
    Arguments,
    Call,
    HermesParser,
    JsonParser,
    NamedParser,
    Text,
    ToolFormat,
    detect_tool_format,
)

TOOLS = [Tool(type="function", function=Function(name=name)) for name in ("add", "now")]


def read(reader: Any, pieces: list[str]) -> tuple[str, list[tuple[str, str]]]:
    """Return the content, and the calls with their arguments."""
    told = [piece for text in pieces for piece in reader.feed(text)] + list(reader.finish())
    calls: list[tuple[str, str]] = []
    content = ""
    for piece in told:
        match piece:
            case Text(text):
                content += text
            case Call(number, id_, name):
                assert number == len(calls)
                assert id_.startswith("call_")
                calls.append((name, ""))
            case Arguments(number, text):
                calls[number] = (calls[number][0], calls[number][1] + text)
    return content, calls


def cut(text: str, at: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(min(edge, len(text)) for edge in at)})
    return [text[begin:end] for begin, end in itertools.pairwise(edges)]


ADD = ("add", '{"a": 1, "b": "}]</x>"}')
ADDED = f'{{"name": "add", "arguments": {ADD[1]}}}'
NOW = '{"name": "now", "parameters": {}}'
CASES: list[tuple[Any, str, str, list[tuple[str, str]]]] = [
    (HermesParser, "Hello <tool> there", "Hello <tool> there", []),
    (HermesParser, f"<tool_call>\n{ADDED}\n</tool_call>", "", [ADD]),
    (HermesParser, f"No. <tool_call>{ADDED}</tool_call>\n<tool_call>{NOW}</tool_call>", "No. ", [ADD, ("now", "{}")]),
    (HermesParser, f"<tool_call>{NOW}", "", [("now", "{}")]),
    (HermesParser, '<tool_call>{"name": ', '<tool_call>{"name": ', []),
    (HermesParser, '<tool_call>{"name": "rm"}</tool_call>', '<tool_call>{"name": "rm"}</tool_call>', []),
    (JsonParser, ADDED, "", [ADD]),
    (JsonParser, f"{ADDED}; {NOW}", "", [ADD, ("now", "{}")]),
    (JsonParser, f" [{ADDED}, {NOW}]", "", [ADD, ("now", "{}")]),
    (JsonParser, '{"name": "now"}', "", [("now", "{}")]),
    (JsonParser, '{"type": "function", "function": {"name": "now"}}', "", [("now", "{}")]),
    (JsonParser, "It is [late].", "It is [late].", []),
    (JsonParser, '{"name": "rm", "parameters": {}} x', '{"name": "rm", "parameters": {}} x', []),
    (JsonParser, '[{"name": "add", "argu', '[{"name": "add", "argu', []),
]  # fmt: skip


@pytest.mark.parametrize(("parser", "text", "content", "calls"), CASES, ids=str)
@given(at=st.lists(st.integers(0, 120), max_size=12))
def test_calls_are_parsed_however_the_text_is_split(
    parser: Any, text: str, content: str, calls: list[Any], at: list[int]
) -> None:
    assert read(parser(TOOLS, max_calls=None), cut(text, at)) == (content, calls)
    assert read(parser(TOOLS, max_calls=1), cut(text, at))[1] == calls[:1]


@given(st.lists(st.text(alphabet='<tool_call>{}[]",:;/ name', max_size=8), max_size=8))
def test_text_that_is_not_a_call_is_content(pieces: list[str]) -> None:
    for reader in (HermesParser(TOOLS, max_calls=None), JsonParser(TOOLS, max_calls=None)):
        content, calls = read(reader, pieces)
        assert calls == []
        assert content == "".join(pieces)


def test_all_text_is_the_arguments_of_a_named_function() -> None:
    assert read(NamedParser("add"), ["{", '"a"', ": 1}"]) == ("", [("add", '{"a": 1}')])
    assert read(NamedParser("add"), []) == ("", [("add", "")])


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ messages }}", None),
        ("{% if tools %}<tool_call>{% endif %}", ToolFormat.HERMES),
        ("{% if tools %}<tool_call><function={% endif %}", None),
        ('{% if tools %}{"name": function name, "parameters": dictionary}{% endif %}', ToolFormat.JSON),
        ("{% if tools %}[TOOL_CALLS]{% endif %}", ToolFormat.JSON),
        ("{% if tools %}functools{% endif %}", None),
    ],
)
def test_the_tool_format_is_detected_from_the_chat_template(
    tmp_path: Path, template: str, expected: ToolFormat | None
) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    assert detect_tool_format(tmp_path) is expected
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert detect_tool_format(tmp_path) is expected
