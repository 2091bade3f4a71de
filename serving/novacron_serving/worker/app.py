"""The worker's HTTP API: chat and text completions of one model, health, readiness and metrics."""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from novacron_serving.engines import Delta, GenerationRequest, KvTransfer
from novacron_serving.errors import RequestError, body_too_large
from novacron_serving.http_errors import (
    handle_http_error,
    handle_request_error,
    handle_server_error,
    make_error_response,
)
from novacron_serving.protocol import (
    KV_TRANSFER_HEADER,
    PREFILL_HEADER,
    USAGE_HEADER,
    WorkerRole,
    adapter_model,
    contract,
)
from novacron_serving.protocol.openai import parse_chat, parse_completion, unknown_model
from novacron_serving.protocol.openai.responses import model_entry
from novacron_serving.server import parse_json, read_bytes
from novacron_serving.worker.chat import Chat, build_chat, stream_chat
from novacron_serving.worker.completions import Completion, build_completion, generate_all, stream_completion
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.instrumentation import Instrumentation
from novacron_serving.worker.kv_transfer import sign_transfer, verify_transfer
from novacron_serving.worker.responses import cancel_on_disconnect, with_error_event
from novacron_serving.worker.served import ServedModel

Item = TypeVar("Item")


class WorkerApp:
    """The HTTP handlers of one worker. `asgi` is the application."""

    def __init__(
        self,
        config: WorkerConfig,
        served: ServedModel,
        token: str,
        instrumentation: Instrumentation,
        is_registered: Callable[[], bool] = lambda: False,
    ) -> None:
        """Set up the routes.

        Args:
            config: the worker's configuration.
            served: the model to serve.
            token: the cluster's token.
            instrumentation: observes each generation.
            is_registered: whether a coordinator knows this worker.
        """
        self._config = config
        self._served = served
        self._token = token
        self._instrumentation = instrumentation
        self._is_registered = is_registered
        self._was_registered = False
        paths = contract()["paths"]
        self.asgi = Starlette(
            routes=[
                Route(paths["chat_completions"], self._post_chat, methods=["POST"]),
                Route(paths["completions"], self._post_completion, methods=["POST"]),
                Route(paths["models"], self._get_models),
                Route(paths["health"], self._get_health),
                Route(paths["ready"], self._get_ready),
                Route(paths["metrics"], self._get_metrics),
            ],
            middleware=[Middleware(_RequireToken, token=token)],
            exception_handlers={
                RequestError: handle_request_error,
                HTTPException: handle_http_error,
                Exception: handle_server_error,
                ClientDisconnect: _client_disconnected,
            },
        )

    async def _get_health(self, request: Request) -> Response:
        del request
        healthy = not self._served.ready or self._served.engine.healthy()
        return JSONResponse({"status": "ok" if healthy else "the engine hangs or has died"}, 200 if healthy else 503)

    async def _get_ready(self, request: Request) -> Response:
        del request
        loaded, registered = self._served.ready, self._is_registered()
        # A worker that loses the coordinators stays ready: all workers lose them at once.
        self._was_registered = self._was_registered or registered
        ready = loaded and self._was_registered and self._served.engine.healthy()
        return JSONResponse({"ready": ready, "model_loaded": loaded, "registered": registered}, 200 if ready else 503)

    async def _get_models(self, request: Request) -> Response:
        del request
        base, *adapters = self._model_ids()
        entries = [model_entry(base), *(model_entry(adapter, base) for adapter in adapters)]
        return JSONResponse({"object": "list", "data": entries})

    async def _get_metrics(self, request: Request) -> Response:
        del request
        return Response(self._instrumentation.expose_metrics(), media_type="text/plain; version=0.0.4")

    async def _post_chat(self, request: Request) -> Response:
        body, transfer = await self._read_body(request)
        chat_request = parse_chat(body)
        adapter = self._find_adapter(chat_request.model)
        self._check_ready()
        chat = Chat(chat_request, adapter, self._served.tool_format)
        chat.generation = self._apply_role(chat.generation, request, transfer)
        deltas = self._generate(chat.generation, chat_request.model, request)
        try:
            if not chat_request.stream and not chat.generation.prefill_only:
                return _json(await cancel_on_disconnect(request, build_chat(chat, deltas)))
            # The first delta decides between a completion, a KV transfer and an error status.
            first = await cancel_on_disconnect(request, _first(deltas))
            if first.kv_transfer is not None:
                return await self._send_transfer(request, first.kv_transfer, deltas)
            if not chat_request.stream:
                return _json(await cancel_on_disconnect(request, build_chat(chat, _prepend(first, deltas))))
        except RequestError as error:
            raise chat.name_field_of_client(error) from error
        return _stream(stream_chat(chat, _prepend(first, deltas), report_usage=USAGE_HEADER in request.headers))

    async def _post_completion(self, request: Request) -> Response:
        body, transfer = await self._read_body(request)
        completion_request = parse_completion(body)
        adapter = self._find_adapter(completion_request.model)
        self._check_ready()
        completion = Completion(completion_request, adapter)
        if len(completion.generations) == 1:
            completion.generations[0] = self._apply_role(completion.generations[0], request, transfer)
        model = completion_request.model
        deltas = generate_all(lambda generation: self._generate(generation, model, request), completion)
        if not completion_request.stream and not completion.generations[0].prefill_only:
            return _json(await cancel_on_disconnect(request, build_completion(completion, deltas)))
        first = await cancel_on_disconnect(request, _first(deltas))
        if (made := first[1].kv_transfer) is not None:
            return await self._send_transfer(request, made, deltas)
        rest = _prepend(first, deltas)
        if not completion_request.stream:
            return _json(await cancel_on_disconnect(request, build_completion(completion, rest)))
        return _stream(stream_completion(completion, rest, report_usage=USAGE_HEADER in request.headers))

    def _find_adapter(self, model: str) -> str | None:
        """Return the adapter that a model's name selects. Raises `RequestError` (404) for an unknown model."""
        base = self._served.model_id
        if model == base:
            return None
        for adapter in self._served.adapters:
            if model == adapter_model(base, adapter):
                return adapter
        raise unknown_model(model, self._model_ids())

    def _model_ids(self) -> list[str]:
        base = self._served.model_id
        return [base, *(adapter_model(base, adapter) for adapter in self._served.adapters)]

    async def _read_body(self, request: Request) -> tuple[object, KvTransfer | None]:
        """Return the JSON body, and the KV transfer of a prefill worker if there is one."""
        limit, length = self._config.max_body_bytes, request.headers.get(KV_TRANSFER_HEADER)
        if length is None:
            body = await read_bytes(request.stream(), limit, request.headers.get("content-length"))
            request.state.body = body  # a KV transfer signs it
            return parse_json(body), None
        transfer, body = verify_transfer(await request.body(), length, self._token)
        if len(body) > limit:
            raise body_too_large(limit)
        return parse_json(body), transfer

    def _apply_role(
        self, generation: GenerationRequest, request: Request, transfer: KvTransfer | None
    ) -> GenerationRequest:
        """Return the part of a request for this worker. Raises `RequestError` (503) if its role does not allow it."""
        role = WorkerRole.DECODE if transfer else WorkerRole.PREFILL if PREFILL_HEADER in request.headers else None
        if role is None:
            return generation
        if role is not self._config.role:
            raise RequestError(503, f"this worker's role is {self._config.role.value}", kind="server_error")
        return replace(generation, prefill_only=transfer is None, kv_transfer=transfer)

    async def _send_transfer(
        self, request: Request, transfer: KvTransfer, rest: AsyncGenerator[Item, None]
    ) -> Response:
        async for _ in rest:  # let the generator finish
            pass
        signed = sign_transfer(transfer, request.state.body, self._token)
        return Response(signed, media_type="application/octet-stream", headers={KV_TRANSFER_HEADER: "1"})

    def _check_ready(self) -> None:
        if not self._served.ready:
            raise RequestError(503, "the model is still loading", kind="server_error", code="not_ready")

    def _generate(self, generation: GenerationRequest, model: str, request: Request) -> AsyncGenerator[Delta, None]:
        deltas = cast("AsyncGenerator[Delta, None]", self._served.engine.generate(generation))
        return self._instrumentation.observe(generation, deltas, model, request.headers)


class _RequireToken:
    """Requires the cluster's token for `/v1/`. Health, readiness and metrics are open."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, self._expected):
                message = (
                    "this worker accepts requests from its coordinator only; send the request to the coordinator, or "
                    "send the cluster's token"
                )
                error = RequestError(401, message, kind="authentication_error", code="invalid_api_key")
                await make_error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _first(items: AsyncIterator[Item]) -> Item:
    return await anext(items)


async def _prepend(first: Item, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    async with aclosing(items):
        yield first
        async for item in items:
            yield item


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(with_error_event(events), media_type="text/event-stream")


async def _client_disconnected(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=499)  # the client does not receive it; logs show nginx's number
