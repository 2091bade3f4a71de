"""Fields of OpenAI's chat API: honoured, ignored or refused, as the list in docs/ says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.errors import RequestError
from novacron_serving.protocol.openai import IGNORED, NEUTRAL, ChatRequest, Message, parse_chat
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

DOCS = (Path(__file__).parents[2] / "docs" / "chat-api.md").read_text()
GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def refusal(body: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_chat(body)
    return caught.value


def test_the_documentation_lists_the_fields_of_the_code() -> None:
    honoured, refused = DOCS.split("Accepted, and without effect")
    for field in ChatRequest.model_fields:
        assert re.search(rf"`{field}[`.]", honoured), field
    ignored, refused = refused.split("Not supported")
    assert set(re.findall(r"`(\w+)`", ignored)) - {"name"} == set(IGNORED)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|$", refused, re.MULTILINE))
    told = {field: [json.loads(value) for value in re.findall("`(.+?)`", values)] for field, values in rows.items()}
    assert told == {field: list(values) for field, values in NEUTRAL.items()}


def test_every_field_of_openai_is_known_here() -> None:
    official = set(CompletionCreateParamsBase.__annotations__)
    assert official - set(ChatRequest.model_fields) - IGNORED - set(NEUTRAL) == set()


@pytest.mark.parametrize("field", sorted(NEUTRAL))
def test_an_unsupported_field_is_refused_unless_it_asks_for_nothing(field: str) -> None:
    for value in (*NEUTRAL[field], None):
        assert parse_chat(GOOD | {field: value}) == parse_chat(GOOD)
    error = refusal(GOOD | {field: "something else"})
    assert (error.status, error.param) == (400, field)
    assert field in str(error)
    assert error.code == ("unsupported_value" if NEUTRAL[field] else "unsupported_parameter")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("response_format", {"type": "json_object"}),
        ("frequency_penalty", 0.5),
        ("logprobs", True),
    ],
)
def test_what_would_change_the_answer_is_refused(field: str, value: object) -> None:
    assert refusal(GOOD | {field: value}).param == field


@pytest.mark.parametrize("field", sorted(IGNORED))
def test_an_ignored_field_may_hold_anything(field: str) -> None:
    assert parse_chat(GOOD | {field: "x"}) == parse_chat(GOOD)


def test_an_unknown_field_is_refused() -> None:
    error = refusal(GOOD | {"temprature": 1})
    assert (error.param, error.code) == ("temprature", "unknown_parameter")


@pytest.mark.parametrize("value", [0, -1, 1.5, "5"])
def test_top_k_is_a_positive_whole_number(value: object) -> None:
    assert refusal(GOOD | {"top_k": value}).param == "top_k"


def test_null_is_the_same_as_leaving_out() -> None:
    nulls = dict.fromkeys(set(ChatRequest.model_fields) - set(GOOD))
    assert parse_chat(GOOD | nulls) == parse_chat(GOOD)


def test_an_answers_message_can_be_sent_back_as_it_came() -> None:
    answered = {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": None, "audio": None}
    chat = parse_chat(GOOD | {"messages": [*GOOD["messages"], answered]})
    assert chat.messages[1] == Message(role="assistant", content="Hi")
