"""A worker's HTTP API in this process, with a scripted engine and with the tiny model."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from novacron_serving.engines import Delta, EngineStats, GenerationRequest, GuideKind
from novacron_serving.engines.pytorch import PyTorchConfig
from novacron_serving.errors import RequestError, invalid
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.config import ModelConfig, WorkerConfig
from novacron_serving.worker.instrumentation import Instrumentation
from novacron_serving.worker.served import ServedModel
from novacron_serving.worker.tool_calls import ToolFormat

from .stack import MODEL, TINY, TOKEN

CONFIG = WorkerConfig(
    worker_id="w", port=0, coordinator="127.0.0.1:1", model=ModelConfig(id=MODEL, path=TINY), engine=PyTorchConfig()
)
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": {"type": "object"}}}
]


@dataclass
class Scripted:
    """An engine that returns these pieces and records its requests."""

    pieces: tuple[str, ...] = ("Hi",)
    fails: RequestError | None = None
    max_context_tokens: int = 100
    max_concurrent_requests: int = 8
    asked: list[GenerationRequest] = field(default_factory=list)
    closed: int = 0
    well: bool = True
    endless: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the engine has a request."""

    async def load(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        self.asked.append(request)
        self.started.set()
        try:
            for at, piece in enumerate(self.pieces):
                yield Delta(piece, 7, at + 1, cached_tokens=4)
            if self.fails is not None:
                raise self.fails
            if self.endless:
                await asyncio.Event().wait()
            yield Delta("", 7, len(self.pieces), "stop", cached_tokens=4)
        finally:
            self.closed += 1

    def abort(self, request_id: str) -> None: ...

    def stats(self) -> EngineStats:
        return EngineStats(0, 0, 0.0)

    def healthy(self) -> bool:
        return self.well

    async def unload(self) -> None: ...


def app_of(
    engine: Any,
    tool_format: ToolFormat | None = None,
    adapters: tuple[str, ...] = (),
    is_registered: Callable[[], bool] = lambda: False,
) -> WorkerApp:
    served = ServedModel(
        model_id=MODEL, engine=engine, adapters=dict.fromkeys(adapters, ""), tool_format=tool_format, ready=True
    )
    return WorkerApp(CONFIG, served, TOKEN, Instrumentation(served, None), is_registered)


@asynccontextmanager
async def client_of(app: WorkerApp, token: str = TOKEN) -> AsyncIterator[openai.AsyncOpenAI]:
    transport = httpx.ASGITransport(app.asgi)
    async with httpx.AsyncClient(transport=transport) as http:
        yield openai.AsyncOpenAI(base_url="http://worker/v1", api_key=token, max_retries=0, http_client=http)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


HERMES = ("I look. <tool", '_call>{"name": "weather", "arguments": ', '{"city": "Oslo"}}</tool_call>')
LLAMA = ('{"name": "weather", ', '"parameters": {"city": "Oslo"}}')


@pytest.mark.parametrize(
    ("pieces", "tool_format", "content"), [(HERMES, ToolFormat.HERMES, "I look. "), (LLAMA, ToolFormat.JSON, None)]
)
def test_a_tool_call_that_the_model_decides_to_make(
    pieces: tuple[str, ...], tool_format: ToolFormat, content: str | None
) -> None:
    async def work() -> None:
        engine = Scripted(pieces)
        async with client_of(app_of(engine, tool_format)) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=HELLO, tools=TOOLS)
            choice = answer.choices[0]
            assert (choice.finish_reason, choice.message.content) == ("tool_calls", content)
            assert choice.message.tool_calls is not None
            call: Any = choice.message.tool_calls[0]
            assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
            assert answer.usage is not None
            assert answer.usage.prompt_tokens_details is not None
            assert answer.usage.prompt_tokens_details.cached_tokens == 4
            # The client's own accumulator is the judge of the chunks.
            async with client.chat.completions.stream(model=MODEL, messages=HELLO, tools=TOOLS) as stream:
                final: Any = await stream.get_final_completion()
            assert final.choices[0].finish_reason == "tool_calls"
            assert final.choices[0].message.content == content
            assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Oslo"}
        prompt: Any = engine.asked[0].prompt
        assert prompt.tools == tuple(TOOLS)

    run(work())


def test_tool_choice_none_hides_the_tools_and_keeps_text_as_content() -> None:
    async def work() -> None:
        engine = Scripted(HERMES)
        async with client_of(app_of(engine, ToolFormat.HERMES)) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=HELLO, tools=TOOLS, tool_choice="none")
        assert answer.choices[0].message.content == "".join(HERMES)
        prompt: Any = engine.asked[0].prompt
        assert prompt.tools == ()

    run(work())


def test_the_schema_of_a_strict_function_is_enforced_with_tool_choice_auto() -> None:
    async def work() -> None:
        engine = Scripted(HERMES)
        strict: list[Any] = [copy.deepcopy(TOOLS[0])]
        strict[0]["function"]["strict"] = True
        async with client_of(app_of(engine, ToolFormat.HERMES)) as client:
            await client.chat.completions.create(model=MODEL, messages=HELLO, tools=strict)
        guide = engine.asked[0].guide
        assert guide is not None
        assert guide.kind is GuideKind.STRUCTURAL_TAG
        assert json.loads(guide.value)["structures"][0]["schema"] == TOOLS[0]["function"]["parameters"]

    run(work())


def test_a_stream_reports_its_usage_in_a_comment_if_the_header_asks_for_it() -> None:
    async def work() -> None:
        headers = {"x-novacron-usage": "report"}
        async with client_of(app_of(Scripted(("Hi", " you")))) as client:
            for call in (
                client.chat.completions.with_raw_response.create(
                    model=MODEL, messages=HELLO, stream=True, extra_headers=headers
                ),
                client.completions.with_raw_response.create(
                    model=MODEL, prompt="Hello", stream=True, extra_headers=headers
                ),
            ):
                raw = await (await call).http_response.aread()
                assert b'\n\n: usage {"prompt_tokens":' in raw
                assert raw.endswith(b"\n\ndata: [DONE]\n\n")
            stream: Any = await client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True, extra_headers=headers
            )
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hi you"

    run(work())


def test_an_error_within_a_stream_is_an_event_without_done() -> None:
    async def work() -> None:
        engine = Scripted(("Hi",), fails=RequestError(503, "the engine has died", kind="server_error"))
        async with client_of(app_of(engine)) as client:
            stream: Any = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            with pytest.raises(openai.APIError, match="the engine has died"):
                [chunk async for chunk in stream]
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model=MODEL, messages=HELLO)
            stream = await client.completions.create(model=MODEL, prompt="Hello", stream=True)
            with pytest.raises(openai.APIError, match="the engine has died"):
                [chunk async for chunk in stream]

    run(work())


def test_an_error_before_the_first_token_is_a_status() -> None:
    async def work() -> None:
        engine = Scripted((), fails=invalid("messages: too long", param="messages"))
        async with client_of(app_of(engine)) as client:
            for stream in (False, True):
                with pytest.raises(openai.BadRequestError, match="too long"):
                    await client.chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
                with pytest.raises(openai.BadRequestError, match="too long"):
                    await client.completions.create(model=MODEL, prompt=["a", "b"], stream=stream)

    run(work())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_client_that_disconnects_aborts_the_generation(path: str) -> None:
    async def work() -> None:
        engine = Scripted(endless=True)
        body = json.dumps({"model": MODEL, "messages": HELLO} if "chat" in path else {"model": MODEL, "prompt": "a"})
        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"", "asgi": {"version": "3.0"},
            "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            if not sent:
                sent.append("body")
                return {"type": "http.request", "body": body.encode(), "more_body": False}
            await engine.started.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(app_of(engine).asgi(scope, receive, send), 5)
        assert engine.closed == 1

    run(work())


def test_adapters_are_listed_and_selected_as_models() -> None:
    async def work() -> None:
        engine = Scripted()
        async with client_of(app_of(engine, adapters=("poet",))) as client:
            assert [model.id async for model in client.models.list()] == [MODEL, f"{MODEL}:poet"]
            assert [model.to_dict().get("parent") async for model in client.models.list()] == [None, MODEL]
            for model in (MODEL, f"{MODEL}:poet"):
                answer = await client.chat.completions.create(model=model, messages=HELLO)
                assert answer.model == model
            await client.completions.create(model=f"{MODEL}:poet", prompt="Hello")
            for unknown in (f"{MODEL}:other", "poet"):
                with pytest.raises(openai.NotFoundError, match=f"the models are: {MODEL}, {MODEL}:poet"):
                    await client.chat.completions.create(model=unknown, messages=HELLO)
        assert [request.adapter for request in engine.asked] == [None, "poet", "poet"]

    run(work())


def test_requests_without_the_clusters_token_get_401() -> None:
    async def work() -> None:
        engine = Scripted()
        registered: list[bool] = []
        app = app_of(engine, is_registered=lambda: bool(registered))
        async with client_of(app, "guessed") as client:
            with pytest.raises(openai.AuthenticationError, match="the cluster's token"):
                await client.chat.completions.create(model=MODEL, messages=HELLO)
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi), base_url="http://worker") as anybody:
            assert (await anybody.post("/v1/completions", json={"model": MODEL, "prompt": "a"})).status_code == 401
            assert (await anybody.get("/health")).status_code == 200
            assert (await anybody.get("/metrics")).status_code == 200
            assert (await anybody.get("/ready")).status_code == 503  # not registered
            registered.append(True)
            assert (await anybody.get("/ready")).status_code == 200
            registered.clear()
            lost = await anybody.get("/ready")  # as all workers lose their coordinators at once, they stay ready
            assert (lost.status_code, lost.json()["registered"]) == (200, False)
            engine.well = False
            assert (await anybody.get("/health")).status_code == 503
        assert engine.asked == []

    run(work())
