"""The worker's HTTP API: chat completions of one model, health, readiness, metrics."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from novacron_serving.engine import ChatPrompt, Delta, Engine, GenerationRequest, Sampling
from novacron_serving.errors import RequestError
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import ChatRequest, parse_chat, unknown_model
from novacron_serving.server import read_json
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.registration import Registration


class WorkerApp:
    """State and handlers of one worker."""

    def __init__(self, config: WorkerConfig, engine: Engine) -> None:
        self.registration: Registration | None = None
        self.loaded = False
        self._config = config
        self._engine = engine
        names = contract()["metrics"]
        self._metrics = CollectorRegistry()
        Gauge(names["requests_running"], "Requests being generated", registry=self._metrics).set_function(
            lambda: engine.stats().running_requests
        )
        Gauge(names["requests_waiting"], "Requests waiting for a place", registry=self._metrics).set_function(
            lambda: engine.stats().waiting_requests
        )
        Gauge(names["kv_cache_utilization"], "Share of the cache in use", registry=self._metrics).set_function(
            lambda: engine.stats().kv_cache_utilization
        )
        self._first_token = Histogram(names["time_to_first_token"], "Time to first token", registry=self._metrics)
        self._duration = Histogram(names["request_duration"], "Whole requests", registry=self._metrics)
        self._tokens = Counter(names["tokens"], "Tokens", ["kind"], registry=self._metrics)
        paths = contract()["paths"]
        self.asgi = Starlette(
            routes=[
                Route(paths["chat_completions"], self._chat, methods=["POST"]),
                Route(paths["models"], self._models),
                Route(paths["health"], self._health),
                Route(paths["ready"], self._ready),
                Route(paths["metrics"], self._prometheus),
            ],
            exception_handlers={RequestError: _answer_error, HTTPException: answer_http_error},
        )

    async def _health(self, request: Request) -> Response:
        del request
        healthy = not self.loaded or self._engine.healthy()
        return JSONResponse({"status": "ok" if healthy else "the engine hangs"}, 200 if healthy else 503)

    async def _ready(self, request: Request) -> Response:
        del request
        registered = self.registration is not None and self.registration.registered
        ready = self.loaded and registered and self._engine.healthy()
        return JSONResponse(
            {"ready": ready, "model_loaded": self.loaded, "registered": registered}, 200 if ready else 503
        )

    async def _models(self, request: Request) -> Response:
        del request
        return JSONResponse({"object": "list", "data": [model_entry(self._config.model.id)]})

    async def _prometheus(self, request: Request) -> Response:
        del request
        return Response(generate_latest(self._metrics), media_type="text/plain; version=0.0.4")

    async def _chat(self, request: Request) -> Response:
        body = await read_json(request.body, self._config.max_body_bytes, request.headers.get("content-length"))
        chat = parse_chat(body)
        if chat.model != self._config.model.id:
            raise unknown_model(chat.model, [self._config.model.id])
        if not self.loaded:
            raise RequestError(503, "the model is still loading", kind="server_error", code="not_ready")
        generation = GenerationRequest(
            request_id=f"chatcmpl-{uuid.uuid4().hex}",
            prompt=ChatPrompt(tuple(chat.messages)),
            sampling=Sampling(temperature=chat.temperature, top_p=chat.top_p, top_k=chat.top_k, seed=chat.seed),
            max_tokens=chat.max_completion_tokens or chat.max_tokens,
            stops=chat.stops,
        )
        deltas = self._measured(self._engine.generate(generation))
        # The first piece decides between an answer and an error status.
        first = await anext(deltas)
        if chat.stream:
            return StreamingResponse(_events(chat, generation, first, deltas), media_type="text/event-stream")
        return JSONResponse(await self._whole(request, chat, generation, first, deltas))

    async def _whole(
        self,
        request: Request,
        chat: ChatRequest,
        generation: GenerationRequest,
        first: Delta,
        deltas: AsyncIterator[Delta],
    ) -> dict[str, Any]:
        text, last = first.text, first
        async for delta in deltas:
            text, last = text + delta.text, delta
            if await request.is_disconnected():
                self._engine.abort(generation.request_id)
                break
        return {
            "id": generation.request_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": chat.model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": last.finish_reason,
                }
            ],
            "usage": _usage(last),
        }

    async def _measured(self, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        began = time.perf_counter()
        last: Delta | None = None
        async for delta in deltas:
            if last is None:
                self._first_token.observe(time.perf_counter() - began)
            last = delta
            yield delta
        if last is not None:
            self._duration.observe(time.perf_counter() - began)
            self._tokens.labels("input").inc(last.prompt_tokens)
            self._tokens.labels("output").inc(last.completion_tokens)


async def _answer_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestError)  # noqa: S101 - registered for this class alone
    headers = {"Retry-After": "1"} if error.status in (429, 503) else None
    return JSONResponse(error.body(), error.status, headers)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """A wrong path or method, in OpenAI's shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = RequestError(error.status_code, message, kind="invalid_request_error").body()
    return JSONResponse(body, error.status_code, error.headers)


async def _events(
    chat: ChatRequest, generation: GenerationRequest, first: Delta, deltas: AsyncIterator[Delta]
) -> AsyncIterator[bytes]:
    created = int(time.time())

    def event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        chunk: dict[str, Any] = {
            "id": generation.request_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": chat.model,
            "choices": choices,
        }
        if chat.stream_options is not None and chat.stream_options.include_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    def choice(delta: dict[str, Any], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    yield event(choice({"role": "assistant", "content": "", "refusal": None}))
    last = first
    if first.text:
        yield event(choice({"content": first.text}))
    if first.finish_reason is None:
        async for delta in deltas:
            last = delta
            if delta.text:
                yield event(choice({"content": delta.text}))
    yield event(choice({}, last.finish_reason))
    if chat.stream_options is not None and chat.stream_options.include_usage:
        yield event([], _usage(last))
    yield b"data: [DONE]\n\n"


def _usage(delta: Delta) -> dict[str, int]:
    return {
        "prompt_tokens": delta.prompt_tokens,
        "completion_tokens": delta.completion_tokens,
        "total_tokens": delta.prompt_tokens + delta.completion_tokens,
    }


def model_entry(model_id: str) -> dict[str, Any]:
    """A model as `/v1/models` lists it."""
    return {"id": model_id, "object": "model", "created": 0, "owned_by": "novacron"}
