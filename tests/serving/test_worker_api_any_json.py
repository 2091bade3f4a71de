"""Any JSON value in any field of a request gets a response, or an error that names a field."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.worker.app import WorkerApp

from .stack import MODEL, TINY, TOKEN
from .test_worker_api import HELLO, TOOLS, app_of

SCHEMA = {
    "type": "object",
    "properties": {"a": {"enum": [1, "x", None]}},
    "required": ["a"],
    "additionalProperties": False,
}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
COMMON: dict[str, Any] = {
    "model": MODEL, "max_tokens": 2, "n": 1, "temperature": 1.0, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "seed": 1,
    "stop": ["x"], "presence_penalty": 0.5, "frequency_penalty": 0.5, "repetition_penalty": 1.1,
    "logit_bias": {"5": 1.0}, "stream": False, "min_tokens": 0, "ignore_eos": False,
}  # fmt: skip
CHATS: list[dict[str, Any]] = [
    COMMON
    | {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "4"},
        ],
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    },
    COMMON
    | {
        "messages": HELLO,
        "logprobs": True,
        "top_logprobs": 2,
        "max_completion_tokens": 2,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}},
        "stream": True,
        "stream_options": {"include_usage": True},
    },
]
COMPLETIONS: list[dict[str, Any]] = [
    COMMON | {"prompt": ["Hello", "you"], "echo": True},
    COMMON | {"prompt": [[1, 2], [3]], "logprobs": 2},
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["auto", "text", "function", "json_object", "\x00", "<|end|>", "$ref", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, (*path, at))


@st.composite
def changed(draw: st.DrawFn, bodies: list[dict[str, Any]]) -> Any:
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for path in draw(st.lists(st.sampled_from(sorted(places(body), key=str)), min_size=1, max_size=2)):
        inner: Any = body
        try:
            for key in path[:-1]:
                inner = inner[key]
            key = draw(st.text(max_size=8)) if isinstance(inner, dict) and draw(st.booleans()) else path[-1]
            inner[key] = draw(JSON)
        except (IndexError, KeyError, TypeError):
            continue  # the first change took this place away
    return body


@pytest.fixture(scope="module")
def tiny() -> Iterator[WorkerApp]:
    engine = PyTorchEngine(TINY, PyTorchConfig(device="cpu", max_context_tokens=256))
    asyncio.run(engine.load())
    yield app_of(engine)
    asyncio.run(engine.unload())


def check(app: WorkerApp, path: str, body: Any) -> int:
    async def work() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi), base_url="http://worker") as http:
            return await http.post(
                path, content=json.dumps(body).encode(), headers={"authorization": f"Bearer {TOKEN}"}
            )

    response = asyncio.run(work())
    assert response.status_code in (200, 400, 404), response.text
    if response.status_code == 200 and response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    elif response.status_code != 200:
        error = response.json()["error"]
        assert error["message"]
        assert set(error) == {"message", "type", "param", "code"}
    return response.status_code


@pytest.mark.parametrize(("path", "bodies"), [("/v1/chat/completions", CHATS), ("/v1/completions", COMPLETIONS)])
def test_the_unchanged_requests_are_valid(tiny: WorkerApp, path: str, bodies: list[Any]) -> None:
    assert [check(tiny, path, body) for body in bodies] == [200, 200]


@pytest.mark.parametrize(("path", "bodies"), [("/v1/chat/completions", CHATS), ("/v1/completions", COMPLETIONS)])
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_value_in_any_field_gets_a_response_or_a_client_error(
    tiny: WorkerApp, path: str, bodies: list[Any], data: st.DataObject
) -> None:
    check(tiny, path, data.draw(changed(bodies)))


@pytest.mark.parametrize(("path", "bodies"), [("/v1/chat/completions", CHATS), ("/v1/completions", COMPLETIONS)])
def test_every_wrong_type_in_every_field_gets_a_response_or_a_client_error(
    tiny: WorkerApp, path: str, bodies: list[Any]
) -> None:
    for body in bodies:
        for place in places(body):
            for wrong in (None, True, -1, 1e300, "", "x", [], {}, [None], {"": None}):
                made = copy.deepcopy(body)
                inner: Any = made
                for key in place[:-1]:
                    inner = inner[key]
                inner[place[-1]] = wrong
                check(tiny, path, made)
