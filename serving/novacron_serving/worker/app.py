"""The worker's HTTP API: chat and completions of one model, health, readiness, metrics."""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar, cast

import orjson
from prometheus_client import Gauge, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from novacron_serving.engines import Delta, Engine, GenerationRequest, HandOver
from novacron_serving.errors import RequestError
from novacron_serving.http_errors import answer_error, answer_fault, answer_http_error
from novacron_serving.protocol import HAND_OVER, PREFILL, TELL_USAGE, WorkerRole, adapter_model, contract
from novacron_serving.protocol.openai import parse_chat, parse_completion, unknown_model
from novacron_serving.protocol.openai.answers import model_entry
from novacron_serving.quality.report import Measurement
from novacron_serving.server import read_json
from novacron_serving.tracing import Tracing
from novacron_serving.worker.answers import events_or_error, unless_client_leaves
from novacron_serving.worker.chat import Chat, chat_events, whole_chat
from novacron_serving.worker.completions import Completion, answers, completion_events, whole_completion
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.handing_over import seal, unseal
from novacron_serving.worker.measuring import Measuring
from novacron_serving.worker.registration import Registration
from novacron_serving.worker.tool_calls import ToolFormat

Item = TypeVar("Item")


class WorkerApp:
    """State and handlers of one worker."""

    def __init__(
        self,
        config: WorkerConfig,
        engine: Engine,
        token: str,
        adapters: Sequence[str] = (),
        tracing: Tracing | None = None,
    ) -> None:
        """Args: `token`: the cluster's; `adapters`: names of those that the engine has, served as `model:adapter`."""
        self.registration: Registration | None = None
        self.loaded = False
        self.tool_format: ToolFormat | None = None
        """Of the model's chat template; known once it is loaded."""
        self._adapters = tuple(adapters)
        self._token = token
        self._config = config
        self._model_id = config.model.id
        self._engine = engine
        names = contract()["metrics"]
        self._measuring = Measuring(lambda: self._engine, tracing)
        self._metrics = self._measuring.registry
        labels = ["model", "quantization"]  # no series until something was measured
        self._quality = Gauge(names["quality_score"], "Agreement with FP32, measured", labels, registry=self._metrics)
        self._compression = Gauge(
            names["compression_ratio"], "Bytes of FP32 weights per byte, measured", labels, registry=self._metrics
        )
        paths = contract()["paths"]
        self.asgi = Starlette(
            routes=[
                Route(paths["chat_completions"], self._chat, methods=["POST"]),
                Route(paths["completions"], self._complete, methods=["POST"]),
                Route(paths["models"], self._models),
                Route(paths["health"], self._health),
                Route(paths["ready"], self._ready),
                Route(paths["metrics"], self._prometheus),
            ],
            middleware=[Middleware(_OnlyTheCluster, token=token)],
            exception_handlers={
                RequestError: answer_error,
                HTTPException: answer_http_error,
                Exception: answer_fault,
                ClientDisconnect: _client_left,
            },
        )

    def tell_quality(self, measurement: Measurement) -> None:
        """Export what was measured of the model that is served."""
        labels = (self._model_id, measurement.quantization)
        self._quality.labels(*labels).set(measurement.score)
        self._compression.labels(*labels).set(measurement.compression_ratio)

    def serve(self, engine: Engine, model_id: str, tool_format: ToolFormat | None) -> None:
        """Answer with this engine, which is loaded, from now on."""
        self._engine = engine
        self._model_id = model_id
        self._quality.clear()  # of the model before
        self._compression.clear()
        self.tool_format = tool_format
        self.loaded = True

    async def _health(self, request: Request) -> Response:
        del request
        healthy = not self.loaded or self._engine.healthy()
        return JSONResponse({"status": "ok" if healthy else "the engine hangs or has died"}, 200 if healthy else 503)

    async def _ready(self, request: Request) -> Response:
        del request
        registered = self.registration is not None and self.registration.registered
        ready = self.loaded and registered and self._engine.healthy()
        return JSONResponse(
            {"ready": ready, "model_loaded": self.loaded, "registered": registered}, 200 if ready else 503
        )

    async def _models(self, request: Request) -> Response:
        del request
        base, *adapters = self._model_ids()
        entries = [model_entry(base), *(model_entry(adapter, base) for adapter in adapters)]
        return JSONResponse({"object": "list", "data": entries})

    async def _prometheus(self, request: Request) -> Response:
        del request
        return Response(generate_latest(self._metrics), media_type="text/plain; version=0.0.4")

    def _adapter(self, model: str) -> str | None:
        """Which adapter a model's name asks for. Raises `RequestError` (404) for one that is not served."""
        base = self._model_id
        if model == base:
            return None
        for adapter in self._adapters:
            if model == adapter_model(base, adapter):
                return adapter
        raise unknown_model(model, self._model_ids())

    def _model_ids(self) -> list[str]:
        base = self._model_id
        return [base, *(adapter_model(base, adapter) for adapter in self._adapters)]

    async def _body(self, request: Request) -> tuple[object, HandOver | None]:
        """What is asked; and what a worker that has read its prompt hands over."""
        limit, announced = self._config.max_body_bytes, request.headers.get(HAND_OVER)
        if announced is None:
            return await read_json(request.body, limit, request.headers.get("content-length")), None
        hand_over, asked = unseal(await request.body(), announced, self._token)

        async def rest() -> bytes:
            return asked

        return await read_json(rest, limit, None), hand_over

    def _half(self, generation: GenerationRequest, request: Request, handed_over: HandOver | None) -> GenerationRequest:
        """The part of it that this worker does. Raises `RequestError` (503) for one that its role is not for."""
        asked = WorkerRole.DECODE if handed_over else WorkerRole.PREFILL if PREFILL in request.headers else None
        if asked is None:
            return generation
        if asked is not self._config.role:
            raise RequestError(503, f"this worker's role is {self._config.role.value}", kind="server_error")
        return replace(generation, hands_over=handed_over is None, handed_over=handed_over)

    async def _hand_over(self, request: Request, first: Delta, rest: AsyncGenerator[Any, None]) -> Response:
        assert first.hand_over is not None  # noqa: S101 - its caller has looked
        async for _ in rest:  # nothing but its end
            pass
        sealed = seal(first.hand_over, await request.body(), self._token)
        return Response(sealed, media_type="application/octet-stream", headers={HAND_OVER: "1"})

    def _check_loaded(self) -> None:
        if not self.loaded:
            raise RequestError(503, "the model is still loading", kind="server_error", code="not_ready")

    async def _chat(self, request: Request) -> Response:
        body, handed_over = await self._body(request)
        asked = parse_chat(body)
        adapter = self._adapter(asked.model)
        self._check_loaded()
        chat = Chat(asked, adapter, self.tool_format)
        chat.generation = self._half(chat.generation, request, handed_over)
        deltas = self._measured(chat.generation, asked.model, request)
        try:
            if not asked.stream and not chat.generation.hands_over:
                return _json(await unless_client_leaves(request, whole_chat(chat, deltas)))
            # The first piece decides between an answer, a hand-over and an error status.
            first = await unless_client_leaves(request, _first(deltas))
            if first.hand_over is not None:
                return await self._hand_over(request, first, deltas)
            if not asked.stream:
                return _json(await unless_client_leaves(request, whole_chat(chat, _after(first, deltas))))
        except RequestError as error:
            raise chat.refusal(error) from error
        return _stream(chat_events(chat, _after(first, deltas), tell_usage=TELL_USAGE in request.headers))

    async def _complete(self, request: Request) -> Response:
        body, handed_over = await self._body(request)
        asked = parse_completion(body)
        adapter = self._adapter(asked.model)
        self._check_loaded()
        completion = Completion(asked, adapter)
        if len(completion.generations) == 1:
            completion.generations[0] = self._half(completion.generations[0], request, handed_over)
        deltas = answers(lambda generation: self._measured(generation, asked.model, request), completion)
        if not asked.stream and not completion.generations[0].hands_over:
            return _json(await unless_client_leaves(request, whole_completion(completion, deltas)))
        first = await unless_client_leaves(request, _first(deltas))
        if first[1].hand_over is not None:
            return await self._hand_over(request, first[1], deltas)
        if not asked.stream:
            return _json(await unless_client_leaves(request, whole_completion(completion, _after(first, deltas))))
        return _stream(completion_events(completion, _after(first, deltas), tell_usage=TELL_USAGE in request.headers))

    def _measured(self, generation: GenerationRequest, model: str, request: Request) -> AsyncGenerator[Delta, None]:
        deltas = cast("AsyncGenerator[Delta, None]", self._engine.generate(generation))
        return self._measuring.measured(generation, deltas, model, request.headers)


class _OnlyTheCluster:
    """Lets only those ask the model who have the cluster's token; health, readiness and metrics are open."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, self._expected):
                message = "workers answer the coordinator only: ask that one, or send the cluster's token"
                error = RequestError(401, message, kind="authentication_error", code="invalid_api_key")
                await JSONResponse(error.body(), error.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _first(items: AsyncIterator[Item]) -> Item:
    return await anext(items)


async def _after(first: Item, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    async with aclosing(items):
        yield first
        async for item in items:
            yield item


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(events_or_error(events), media_type="text/event-stream")


async def _client_left(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=499)  # nobody reads it; nginx's number for logs
