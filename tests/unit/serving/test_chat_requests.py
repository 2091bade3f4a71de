"""Fields of OpenAI's API: supported, ignored or rejected, as listed in docs/chat-api.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.errors import RequestError
from novacron_serving.protocol.openai import (
    COMPLETION_IGNORED,
    COMPLETION_NEUTRAL,
    IGNORED,
    NEUTRAL,
    ChatRequest,
    CompletionRequest,
    Message,
    parse_chat,
    parse_completion,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.completion_create_params import CompletionCreateParamsBase as text_completion  # noqa: N813

DOCS = (Path(__file__).parents[3] / "docs" / "chat-api.md").read_text()
_, BOTH, CHAT, COMPLETIONS, *_ = re.split("^## ", DOCS, flags=re.MULTILINE)
GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
GOOD_COMPLETION: dict[str, Any] = {"model": "m", "prompt": "Hello"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
STRICT: dict[str, Any] = {"type": "function", "function": {"name": "f", "strict": True}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def refusal(body: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_chat(body)
    return caught.value


@pytest.mark.parametrize(
    ("part", "request_type", "ignored", "neutral"),
    [
        (CHAT, ChatRequest, IGNORED, NEUTRAL),
        (COMPLETIONS, CompletionRequest, COMPLETION_IGNORED, COMPLETION_NEUTRAL),
    ],
    ids=["chat", "completions"],
)
def test_the_documentation_lists_the_fields_of_the_code(
    part: str, request_type: Any, ignored: frozenset[str], neutral: dict[str, Any]
) -> None:
    own, _, rest = part.partition("Accepted without effect")
    for field in request_type.model_fields:
        assert re.search(rf"`{field}[`.]", BOTH + own), field
    listed, _, unsupported = rest.partition("Not supported")
    assert set(re.findall(r"`(\w+)`", listed)) - {"name", "description"} == set(ignored)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|$", unsupported, re.MULTILINE))
    accepted = {field: [json.loads(value) for value in re.findall("`(.+?)`", values)] for field, values in rows.items()}
    assert accepted == {field: list(values) for field, values in neutral.items()}


def test_every_field_of_openais_api_is_supported_ignored_or_neutral() -> None:
    chat = set(CompletionCreateParamsBase.__annotations__)
    assert chat - set(ChatRequest.model_fields) - IGNORED - set(NEUTRAL) == set()
    text = set(text_completion.__annotations__)
    assert text - set(CompletionRequest.model_fields) - COMPLETION_IGNORED - set(COMPLETION_NEUTRAL) == set()


@pytest.mark.parametrize("field", sorted(NEUTRAL))
def test_an_unsupported_field_is_rejected_unless_its_value_has_no_effect(field: str) -> None:
    for value in (*NEUTRAL[field], None):
        assert parse_chat(GOOD | {field: value}) == parse_chat(GOOD)
    error = refusal(GOOD | {field: "something else"})
    assert (error.status, error.param) == (400, field)
    assert field in str(error)
    assert error.code == ("unsupported_value" if NEUTRAL[field] else "unsupported_parameter")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"min_p": 2}, "min_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"logit_bias": {"7": 101}}, "logit_bias.7"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools.0.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"chat_template_kwargs": {"tools": []}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"chat_template": "x"}}, "chat_template_kwargs"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": "4", "tool_calls": [CALL]}]}, "messages.0.tool_calls"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ],
    ids=str,
)
def test_contradictory_chat_requests_are_rejected(more: dict[str, Any], param: str) -> None:
    assert refusal(GOOD | more).param == param


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [STRICT]},
        {"tools": [TOOL], "tool_choice": "none", "response_format": SCHEMA},
        {"tool_choice": "auto"},
        {"tools": [TOOL], "response_format": SCHEMA},
        {"tools": [STRICT], "tool_choice": "required", "response_format": {"type": "json_object"}},
        {"stop": [str(at) for at in range(64)]},
        {"stream": True, "stream_options": {"continuous_usage_stats": True}},
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}]},
        {"messages": [{"role": "tool", "content": "4", "tool_call_id": "c"}]},
    ],
    ids=str,
)
def test_valid_combinations_of_fields_are_accepted(more: dict[str, Any]) -> None:
    assert parse_chat(GOOD | more)


def test_a_deeply_nested_schema_is_rejected() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"properties": {"a": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert "response_format" in (refusal(GOOD | {"response_format": form}).param or "")


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), ([1, 2], ([1, 2],)), ([[1], [2, 3]], ([1], [2, 3]))],
    ids=str,
)
def test_a_completion_has_one_prompt_or_several(prompt: Any, prompts: tuple[Any, ...]) -> None:
    assert parse_completion(GOOD_COMPLETION | {"prompt": prompt}).prompts == prompts


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"echo": True, "prompt": [1, 2]}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"messages": []}, "messages"),
    ],
    ids=str,
)
def test_contradictory_completion_requests_are_rejected(more: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_completion(GOOD_COMPLETION | more)
    assert caught.value.param == param


@pytest.mark.parametrize("field", sorted(IGNORED))
def test_an_ignored_field_accepts_any_value(field: str) -> None:
    assert parse_chat(GOOD | {field: "x"}) == parse_chat(GOOD)


def test_an_unknown_field_is_rejected() -> None:
    error = refusal(GOOD | {"temprature": 1})
    assert (error.param, error.code) == ("temprature", "unknown_parameter")


@pytest.mark.parametrize("value", [-2, 1.5, "5", True, False, 0.0])
def test_top_k_is_a_whole_number(value: object) -> None:
    if value is not True:
        assert refusal(GOOD | {"top_k": value}).param == "top_k"


@pytest.mark.parametrize("value", [0, -1, None])
def test_top_k_of_other_servers_means_all_tokens(value: object) -> None:
    assert parse_chat(GOOD | {"top_k": value}).top_k is None


def test_the_defaults_of_other_servers_have_no_effect() -> None:
    """As clients send them that dump all parameters of a class."""
    dumped = {
        "top_k": 0, "use_beam_search": False, "best_of": 1, "skip_special_tokens": True, "stop_token_ids": [],
        "add_generation_prompt": True, "chat_template_kwargs": {}, "priority": 0, "length_penalty": 1.0,
        "spaces_between_special_tokens": True, "include_stop_str_in_output": False, "documents": None,
    }  # fmt: skip
    assert parse_chat(GOOD | dumped) == parse_chat(GOOD)
    assert parse_completion(GOOD_COMPLETION | {"detokenize": True, "add_special_tokens": True, "top_k": -1}) == (
        parse_completion(GOOD_COMPLETION)
    )


def test_hints_and_arguments_reach_the_template() -> None:
    request = parse_chat(
        GOOD | {"reasoning_effort": "low", "verbosity": "high", "chat_template_kwargs": {"enable_thinking": False}}
    )
    assert request.template_arguments == {"reasoning_effort": "low", "verbosity": "high", "enable_thinking": False}


def test_fields_of_other_servers_in_the_history_are_passed_over() -> None:
    part = {"type": "text", "text": "I look.", "role": "assistant", "annotations": [], "cache_control": {"type": "x"}}
    answered = {
        "role": "assistant", "content": [part], "reasoning_content": "Hm.", "reasoning_details": [],
        "id": "m", "refusal": "",
        "tool_calls": [CALL | {"index": 0, "function": {"name": "f", "arguments": "{}", "parsed": None}}],
    }  # fmt: skip
    chat = parse_chat(GOOD | {"messages": [*GOOD["messages"], answered]})
    expected = {"role": "assistant", "content": "I look.", "tool_calls": [CALL]}
    assert chat.messages[1].text == "I look."
    assert chat.messages[1].tool_calls == Message.model_validate(expected).tool_calls


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


@pytest.mark.parametrize(
    ("more", "param", "message"),
    [
        (
            {"messages": [{"role": "user", "content": [IMAGE]}]},
            "messages.0.content.0.type",
            "'image_url' is not support",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}]},
            "messages.0.content.1.type",
            "use 'text'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages.0.content.0.text",
            "Field required",
        ),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "valid string"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages.0.role", "'robot' is not supported"),
        ({"stop": ["x"] * 65}, "stop", "at most 64 items"),
        ({"stop": ["x", 5]}, "stop.1", "valid string"),
        ({"stop": 5}, "stop", "valid string"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "'any' is not supported; use 'none', 'auto'"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function", "Field required"),
        ({"response_format": {"type": "xml"}}, "response_format", "'text', 'json_object', 'json_schema'"),
    ],
)
def test_of_alternatives_the_error_names_the_one_that_was_meant(more: dict[str, Any], param: str, message: str) -> None:
    error = refusal(GOOD | more)
    assert error.param == param
    assert message in str(error)


@pytest.mark.parametrize(
    ("prompt", "param", "message"),
    [
        (["a"] * 65, "prompt", "at most 64 items"),
        ([], "prompt", "at least 1 item"),
        ([1, "a"], "prompt", "valid"),
        ([[1], [-1]], "prompt.1.0", "greater than or equal to 0"),
        ({"text": "a"}, "prompt", "valid string"),
    ],
    ids=str,
)
def test_of_alternatives_of_a_prompt_as_well(prompt: object, param: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse_completion(GOOD_COMPLETION | {"prompt": prompt})
    assert (caught.value.param or "").startswith(param)
    assert "str" not in (caught.value.param or "")


def test_null_is_the_same_as_leaving_a_field_out() -> None:
    nulls = dict.fromkeys(set(ChatRequest.model_fields) - set(GOOD))
    assert parse_chat(GOOD | nulls) == parse_chat(GOOD)


def test_an_assistant_message_can_be_sent_back_unchanged() -> None:
    answered = {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": None, "audio": None}
    chat = parse_chat(GOOD | {"messages": [*GOOD["messages"], answered]})
    assert chat.messages[1] == Message(role="assistant", content="Hi")
