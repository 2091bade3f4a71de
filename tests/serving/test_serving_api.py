"""The API with OpenAI's own client: responses, streams, usage and errors."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import openai
import pytest

from .stack import HTTP, MODEL, Stack

pytestmark = pytest.mark.xdist_group("serving")


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=user(text), **options)


def post(stack: Stack, body: object, path: str = "/v1/chat/completions") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(stack.url + path, content=content, headers={"content-type": "application/json"}, timeout=30)


def test_a_response_has_text_and_a_consistent_usage(client: openai.OpenAI) -> None:
    answer = ask(client, "What is a GPU?", temperature=0)
    assert answer.choices[0].message.role == "assistant"
    assert "GPU" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens > 3
    assert usage.completion_tokens > 3
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_has_the_same_text_as_a_whole_response_and_ends_with_the_usage(client: openai.OpenAI) -> None:
    whole = ask(client, "What is a cluster?", temperature=0)
    chunks = list(ask(client, "What is a cluster?", temperature=0, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert sum(map(bool, pieces)) > 3
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_has_no_usage_unless_asked(client: openai.OpenAI) -> None:
    assert all(chunk.choices and chunk.usage is None for chunk in ask(client, "Hello", stream=True))


def test_max_tokens_ends_a_choice(client: openai.OpenAI) -> None:
    answer = ask(client, "Tell me a story.", max_completion_tokens=4)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


@pytest.mark.parametrize("temperature", [0, 1])
def test_ignore_eos_gives_completions_of_exactly_max_tokens(client: openai.OpenAI, temperature: int) -> None:
    short = ask(client, "What is a GPU?", temperature=temperature).usage.completion_tokens
    asked = short + 20
    longer = ask(client, "What is a GPU?", temperature=temperature, extra_body={"min_tokens": asked})
    assert longer.usage.completion_tokens >= asked
    cut = ask(client, "Hello", temperature=temperature, max_tokens=150, extra_body={"ignore_eos": True})
    assert (cut.usage.completion_tokens, cut.choices[0].finish_reason) == (150, "length")


def test_an_impossible_min_tokens_is_rejected(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="min_tokens: must be at most max_tokens, which is 8"):
        ask(client, "Hello", max_tokens=8, extra_body={"min_tokens": 9})
    with pytest.raises(openai.BadRequestError, match="min_tokens: must be at most max_tokens, which is 16"):
        client.completions.create(model=MODEL, prompt="Hello", extra_body={"min_tokens": 17})
    with pytest.raises(openai.BadRequestError, match="ignore_eos: cannot be combined with tools or a response_format"):
        ask(client, "Hello", response_format={"type": "json_object"}, extra_body={"ignore_eos": True})


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError, match="the models are: novacron-tiny"):
        client.models.retrieve("org/none")


def test_the_same_seed_repeats_a_completion_and_another_seed_does_not(client: openai.OpenAI) -> None:
    texts = [
        ask(client, "Tell me a story.", seed=seed, max_tokens=60).choices[0].message.content for seed in (1, 1, 2, 3)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("stop", ["machines", ["no such text", "machines"]])
def test_a_stop_text_ends_the_choice_and_is_not_in_its_text(client: openai.OpenAI, stop: str | list[str]) -> None:
    full = ask(client, "What is a cluster?", temperature=0).choices[0].message.content
    assert "machines" in full
    stopped = ask(client, "What is a cluster?", temperature=0, stop=stop).choices[0]
    assert stopped.message.content == full.split("machines")[0]
    assert stopped.finish_reason == "stop"


def test_the_first_stop_text_in_the_text_ends_the_choice(client: openai.OpenAI) -> None:
    full = ask(client, "What is a cluster?", temperature=0).choices[0].message.content
    stops = [full[12:20], full[11:14]]
    stopped = ask(client, "What is a cluster?", temperature=0, stop=stops).choices[0].message.content
    assert stopped == full[: min(full.index(stop) for stop in stops)]


def test_top_k_1_is_greedy(client: openai.OpenAI) -> None:
    greedy = ask(client, "What is a cluster?", temperature=0)
    likeliest = ask(client, "What is a cluster?", temperature=2, extra_body={"top_k": 1})
    assert likeliest.choices[0].message.content == greedy.choices[0].message.content


def test_the_clients_own_message_can_be_sent_back(client: openai.OpenAI) -> None:
    first = ask(client, "Hello", temperature=0).choices[0].message
    assert first.refusal is None
    assert "refusal" in first.model_fields_set
    conversation = [*user("Hello"), first, *user("What is a GPU?")]
    answer = client.chat.completions.create(model=MODEL, messages=conversation, temperature=0)
    assert answer.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_unsupported_requests_are_rejected_before_the_stream_starts(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="modalities: only") as caught:
        ask(client, "Hello", modalities=["audio"], stream=stream)
    assert (caught.value.param, caught.value.code) == ("modalities", "unsupported_value")
    with pytest.raises(openai.BadRequestError, match="n is 100"):
        ask(client, "Hello", n=100, stream=stream)


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="the models are: novacron-tiny") as caught:
        client.chat.completions.create(model="gpt-none", messages=user("Hello"))
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_a_conversation_that_is_too_long_is_rejected_with_its_length(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length is 512 tokens") as caught:
        ask(client, "hello " * 600)
    assert caught.value.code == "context_length_exceeded"


GOOD: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (GOOD | {"temperature": "warm"}, "temperature"),
        (GOOD | {"temperature": 3}, "temperature"),
        (GOOD | {"max_tokens": "5"}, "max_tokens"),
        (GOOD | {"max_tokens": 0}, "max_tokens"),
        (GOOD | {"stream": "yes"}, "stream"),
        (GOOD | {"messages": []}, "messages"),
        (GOOD | {"messages": [{"role": "wizard", "content": "Hello"}]}, "messages.0.role"),
        (GOOD | {"frequency": 2}, "frequency"),
        ({"messages": GOOD["messages"]}, "model"),
        (["a", "list"], None),
        (b'{"model": ', None),
        (b"\xff\xfe", None),
    ],
    ids=str,
)
def test_a_bad_request_names_the_field(stack: Stack, body: object, param: str | None) -> None:
    response = post(stack, body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param is None or param in error["message"]
    assert "code" in error


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/models", 405)])
def test_unknown_paths_and_methods_get_errors_in_openais_format(stack: Stack, path: str, status: int) -> None:
    response = post(stack, GOOD, path)
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/models", 200), ("/health", 200), ("/metrics", 200), ("/nothing", 404), ("/v1/models/x", 404)],
)
def test_browsers_must_not_guess_the_media_type_of_a_response(stack: Stack, path: str, status: int) -> None:
    worker = next(iter(stack.worker_ports))
    for url, expected in ((stack.url, status), (stack.worker_url(worker), 401 if "/v1/" in path else status)):
        response = HTTP.get(url + path)
        assert response.status_code == expected
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]


def test_the_log_of_a_worker_has_its_own_messages_only(stack: Stack) -> None:
    assert post(stack, {"model": MODEL, "messages": user("long " * 600)}).status_code == 400
    lines = [line for log in stack.folder.glob("worker-*.log") for line in log.read_text().splitlines()]
    assert lines
    assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d [\d:,]+ worker (INFO|WARNING) ", line)] == []
