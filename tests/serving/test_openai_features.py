"""Features of the API with OpenAI's own client, with a coordinator and a worker."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import openai
import pytest
from pydantic import BaseModel

from .stack import MODEL

pytestmark = pytest.mark.xdist_group("serving")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Paris", "Rome", "Oslo"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "tags": {"type": "array", "items": {"enum": ["sun", "rain"]}, "maxItems": 2},
    },
    "required": ["city", "days", "tags"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "strict": True}},
    {"type": "function", "function": {"name": "clock"}},
]
ALWAYS = {"type": "function", "function": {"name": "weather"}}


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str = "Hello", **options: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=user(text), **options)


def put_together(chunks: list[Any], index: int = 0) -> tuple[str, list[dict[str, str]], str | None]:
    """Return the content, the calls and the finish reason of a stream."""
    content, reason, calls = "", None, list[dict[str, str]]()
    for choice in (choice for chunk in chunks for choice in chunk.choices if choice.index == index):
        content += choice.delta.content or ""
        reason = choice.finish_reason or reason
        for part in choice.delta.tool_calls or ():
            if part.id is not None:
                assert part.index == len(calls)
                assert part.type == "function"
                calls.append({"id": part.id, "name": part.function.name, "arguments": ""})
            calls[part.index]["arguments"] += part.function.arguments or ""
    return content, calls, reason


def test_the_usage_counts_all_of_n_choices(client: openai.OpenAI) -> None:
    answer = ask(client, "Tell me a story.", n=3, seed=5, max_tokens=30)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    assert 3 < answer.usage.completion_tokens <= 90
    chunks = list(ask(client, "Tell me a story.", n=3, seed=5, max_tokens=30, stream=True))
    for choice in answer.choices:
        content, _, reason = put_together(chunks, choice.index)
        assert (content, reason) == (choice.message.content, choice.finish_reason)


def test_log_probabilities_are_those_of_the_tokens_of_the_text(client: openai.OpenAI) -> None:
    answer = ask(client, "What is a GPU?", temperature=0, logprobs=True, top_logprobs=3, max_tokens=12)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens == 12
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == answer.choices[0].message.content
    for token in tokens:
        ranked = [top.logprob for top in token.top_logprobs]
        assert ranked == sorted(ranked, reverse=True)
        assert len(ranked) == 3
        assert token.token == token.top_logprobs[0].token  # the likeliest was taken
        assert math.isclose(token.logprob, ranked[0])
        assert token.logprob <= 0
    chunks = list(
        ask(client, "What is a GPU?", temperature=0, logprobs=True, top_logprobs=3, max_tokens=12, stream=True)
    )
    streamed = [token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in tokens]


def test_the_usage_has_cached_tokens(client: openai.OpenAI) -> None:
    first, again = (ask(client, "Is this cached?", max_tokens=1).usage for _ in range(2))
    assert first.prompt_tokens_details.cached_tokens < 4  # what every prompt of this model begins with
    assert again.prompt_tokens_details.cached_tokens == again.prompt_tokens - 1


def texts(client: openai.OpenAI, **options: Any) -> list[str]:
    answer = ask(client, temperature=0, max_tokens=40, logprobs=True, **options)
    return [token.token for token in answer.choices[0].logprobs.content]


def test_logit_bias_forces_a_token_and_a_penalty_counters_it(client: openai.OpenAI) -> None:
    forced = texts(client, logit_bias={"300": 40})
    assert len(forced) == 40
    assert len(set(forced)) == 1
    assert texts(client, logit_bias={"300": 40}, frequency_penalty=2) != forced
    assert texts(client, logit_bias={"300": 20}, presence_penalty=2) != texts(client, presence_penalty=2)
    with pytest.raises(openai.BadRequestError, match="logit_bias: 99999 is not a token id") as caught:
        ask(client, logit_bias={"99999": 1})
    assert caught.value.param == "logit_bias"


def test_the_response_format_is_enforced(client: openai.OpenAI) -> None:
    response_format: Any = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}}
    for seed in range(4):
        answer = ask(client, temperature=2, seed=seed, response_format=response_format)
        assert answer.choices[0].finish_reason == "stop"
        jsonschema.validate(json.loads(answer.choices[0].message.content), SCHEMA)
        assert answer.choices[0].message.refusal is None


def test_the_client_parses_pydantic_models(client: openai.OpenAI) -> None:
    class Pair(BaseModel):
        first: bool
        second: bool

    answer = client.chat.completions.parse(model=MODEL, messages=user("Hello"), response_format=Pair, temperature=1)
    assert isinstance(answer.choices[0].message.parsed, Pair)


def test_json_object_mode_starts_with_a_brace(client: openai.OpenAI) -> None:
    answer = ask(client, response_format={"type": "json_object"}, max_tokens=40, seed=1)
    assert answer.choices[0].message.content.startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


@pytest.mark.parametrize("schema", [{"not": {"type": "string"}}, {"type": "wat"}, {"$ref": "http://example.org/x"}])
def test_a_schema_that_cannot_be_enforced_is_rejected(client: openai.OpenAI, schema: Any) -> None:
    response_format: Any = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    with pytest.raises(openai.BadRequestError, match="response_format") as caught:
        ask(client, response_format=response_format, stream=True)
    assert caught.value.param == "response_format"
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": schema}}
    with pytest.raises(openai.BadRequestError, match="tools: it cannot be enforced") as caught:
        ask(client, tools=[tool], tool_choice="required")
    assert caught.value.param == "tools"


def test_a_named_function_is_called_with_valid_arguments(client: openai.OpenAI) -> None:
    answer = ask(client, tools=TOOLS, tool_choice=ALWAYS, seed=3)
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("stop", None)
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    jsonschema.validate(json.loads(call.function.arguments), SCHEMA)
    _, calls, reason = put_together(list(ask(client, tools=TOOLS, tool_choice=ALWAYS, seed=3, stream=True)))
    assert [(one["name"], one["arguments"]) for one in calls] == [("weather", call.function.arguments)]
    assert reason == "stop"


def test_a_required_call_is_one_of_the_functions(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "seed": 7}
    choice = ask(client, **options).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls
    assert call.function.name in ("weather", "clock")
    arguments = json.loads(call.function.arguments)
    assert arguments == {} or jsonschema.validate(arguments, SCHEMA) is None
    content, calls, reason = put_together(list(ask(client, **options, stream=True)))
    assert (content, reason) == ("", "tool_calls")
    assert [(one["name"], one["arguments"]) for one in calls] == [(call.function.name, call.function.arguments)]


def test_a_call_and_its_result_are_sent_back(client: openai.OpenAI) -> None:
    called = ask(client, tools=TOOLS, tool_choice=ALWAYS, seed=3).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "It rains."}
    answer = client.chat.completions.create(model=MODEL, messages=[*user("Hello"), called, result], max_tokens=20)
    assert answer.choices[0].message.content


def test_a_model_that_never_calls_answers_with_text(client: openai.OpenAI) -> None:
    """The template of the shipped model does not know tools."""
    tools: Any = [TOOLS[1]]
    for choice in ({}, {"tool_choice": "auto"}, {"tool_choice": "none"}):
        message = ask(client, tools=tools, max_tokens=4, temperature=0, **choice).choices[0].message
        assert message.tool_calls is None
        assert message.content


def test_with_tools_and_a_response_format_the_completion_is_one_of_them(client: openai.OpenAI) -> None:
    tree = {"$ref": "#/$defs/pair", "$defs": {"pair": SCHEMA}}
    response_format: Any = {"type": "json_schema", "json_schema": {"name": "trip", "schema": tree, "strict": True}}
    seen: set[str] = set()
    for seed in range(6):
        options: dict[str, Any] = {"tools": TOOLS, "response_format": response_format, "seed": seed, "temperature": 2}
        choice = ask(client, parallel_tool_calls=False, **options).choices[0]
        seen.add(choice.finish_reason)
        if choice.finish_reason == "tool_calls":
            assert choice.message.content is None
            (call,) = choice.message.tool_calls
            assert call.function.name in ("weather", "clock")
        else:
            assert choice.finish_reason == "stop"
            jsonschema.validate(json.loads(choice.message.content), SCHEMA)
    assert seen <= {"tool_calls", "stop"}


def test_the_usage_so_far_is_in_every_chunk_if_asked_for(client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    chunks = list(ask(client, stream=True, stream_options=options, max_tokens=5, extra_body={"ignore_eos": True}))
    counts = [chunk.usage.completion_tokens for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == 5
    texts_ = list(client.completions.create(model=MODEL, prompt="A", max_tokens=5, stream=True, stream_options=options))
    assert all(chunk.usage is not None for chunk in texts_)


def test_a_prompt_that_is_too_long_is_refused_in_openais_words(client: openai.OpenAI) -> None:
    for send in (
        lambda: client.chat.completions.create(model=MODEL, messages=user("word " * 600)),
        lambda: client.completions.create(model=MODEL, prompt="word " * 600),
    ):
        with pytest.raises(
            openai.BadRequestError, match=r"This model's maximum context length is 512 tokens"
        ) as caught:
            send()
        assert caught.value.code == "context_length_exceeded"


def test_no_tokens_are_generated_for_a_limit_of_zero(client: openai.OpenAI) -> None:
    for stream in (False, True):
        made: Any = client.completions.create(
            model=MODEL, prompt=["A GPU", "is"], echo=True, max_tokens=0, n=1, stream=stream
        )
        chunks = list(made) if stream else [made]
        found = ["".join(c.text for chunk in chunks for c in chunk.choices if c.index == at) for at in (0, 1)]
        assert found == ["A GPU", "is"]
        reasons = {c.finish_reason for chunk in chunks for c in chunk.choices}
        assert reasons - {None} == {"length"}
        if not stream:
            assert made.usage.completion_tokens == 0


def test_completions_continue_text_and_token_prompts(client: openai.OpenAI) -> None:
    text = "<|user|>\nWhat is a GPU?<|end|>\n<|assistant|>\n"
    answer = client.completions.create(model=MODEL, prompt=text, temperature=0, max_tokens=64)
    assert answer.choices[0].text.startswith("A GPU is a processor")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert client.completions.create(model=MODEL, prompt=[5, 6, 7], max_tokens=3).usage.prompt_tokens == 3  # type: ignore[union-attr]
    short = client.completions.create(model=MODEL, prompt=text, temperature=0)
    assert short.usage is not None
    assert short.usage.completion_tokens == 16
    with pytest.raises(openai.BadRequestError, match=r"prompt: .* is not a token id"):
        client.completions.create(model=MODEL, prompt=[99999])
    with pytest.raises(openai.BadRequestError, match="prompt: must not be empty"):
        client.completions.create(model=MODEL, prompt="")


def test_choices_of_several_prompts_are_in_order(client: openai.OpenAI) -> None:
    prompts = [
        f"<|user|>\n{text}<|end|>\n<|assistant|>\n" for text in ("What is a GPU?", "What sound does a dog make?")
    ]
    options: dict[str, Any] = {"prompt": prompts, "temperature": 0, "n": 2, "echo": True, "max_tokens": 8}
    answer = client.completions.create(model=MODEL, **options)
    texts = [choice.text for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0].startswith(prompts[0] + "A GPU")
    assert texts[2].startswith(prompts[1] + "A dog")
    streamed = ["", "", "", ""]
    for chunk in client.completions.create(model=MODEL, stream=True, stream_options={"include_usage": True}, **options):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == texts
    assert chunk.usage is not None
    assert chunk.usage.total_tokens == answer.usage.total_tokens  # type: ignore[union-attr]


def test_log_probabilities_of_a_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="A GPU", temperature=0, max_tokens=6, logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or ()) == answer.choices[0].text
    assert logprobs.text_offset is not None
    assert [answer.choices[0].text[at] for at in logprobs.text_offset] == [token[0] for token in logprobs.tokens or ()]
    assert all(len(top) == 2 for top in logprobs.top_logprobs or ())


@pytest.mark.parametrize("seed", range(5))
def test_json_is_closed_before_max_tokens_truncates_it(client: openai.OpenAI, seed: int) -> None:
    texts = {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}}}
    schema = {"type": "object", "properties": texts, "required": ["a", "b"], "additionalProperties": False}
    response_format: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    answer = ask(client, response_format=response_format, max_tokens=64, temperature=1.5, seed=seed)
    assert answer.choices[0].finish_reason == "stop"
    assert set(json.loads(answer.choices[0].message.content or "")) == {"a", "b"}
