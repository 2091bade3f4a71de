"""The coordinator's HTTP API: OpenAI's paths under `/v1`, the same and more under `/api/v1/llm`, health and metrics."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.workers import Worker, Workers
from novacron_serving.errors import RequestError, overloaded
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import parse_chat, unknown_model
from novacron_serving.server import read_json
from novacron_serving.worker.app import answer_http_error, model_entry

_PASSED_ON = ("content-type", "retry-after")


class CoordinatorApp:
    """State and handlers of one coordinator."""

    def __init__(self, config: CoordinatorConfig, workers: Workers) -> None:
        self.draining = False
        self._config = config
        self._workers = workers
        self._began_s = time.time()
        self._in_flight = 0
        timeout = httpx.Timeout(config.first_byte_timeout_s, connect=2.0)
        self._upstream = httpx.AsyncClient(
            timeout=timeout,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,  # a proxy for the internet does not lead to workers
        )
        names = contract()["metrics"]
        self._metrics = CollectorRegistry()
        Gauge("novacron_workers_active", "Workers that get requests", registry=self._metrics).set_function(
            lambda: len(workers.active())
        )
        Gauge(names["requests_running"], "Requests under way", registry=self._metrics).set_function(
            lambda: self._in_flight
        )
        self._duration = Histogram(names["request_duration"], "Whole requests", registry=self._metrics)
        self._first_byte = Histogram(
            names["time_to_first_token"], "Time to the first byte of an answer", registry=self._metrics
        )
        self._answers = Counter("novacron_requests", "Requests by status", ["status"], registry=self._metrics)
        self._retries = Counter("novacron_retries", "Requests sent to another worker", registry=self._metrics)
        paths = contract()["paths"]
        prefix = paths["llm_prefix"]
        self.asgi = Starlette(
            routes=[
                Route(paths["chat_completions"], self._chat, methods=["POST"]),
                Route(f"{prefix}/chat/completions", self._chat, methods=["POST"]),
                Route(paths["models"], self._models),
                Route(f"{prefix}/models", self._models),
                Route(f"{prefix}/models/{{model_id:path}}/load", self._load, methods=["POST"]),
                Route(paths["cluster_status"], self._status),
                Route(f"{prefix}/metrics", self._json_metrics),
                Route(paths["health"], self._health),
                Route(paths["ready"], self._ready),
                Route(paths["metrics"], self._prometheus),
            ],
            exception_handlers={RequestError: self._answer_error, HTTPException: answer_http_error},
        )

    async def drain(self) -> None:
        """Not ready from here on; what runs is finished."""
        self.draining = True

    async def _health(self, request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        del request
        active = len(self._workers.active())
        ready = not self.draining and active >= self._config.minimum_workers
        body = {
            "ready": ready,
            "draining": self.draining,
            "active_workers": active,
            "minimum_workers": self._config.minimum_workers,
        }
        return JSONResponse(body, 200 if ready else 503)

    async def _models(self, request: Request) -> Response:
        del request
        return JSONResponse({"object": "list", "data": [model_entry(model) for model in self._workers.models()]})

    async def _load(self, request: Request) -> Response:
        model_id: str = request.path_params["model_id"]
        if model_id not in self._workers.models():
            raise RequestError(
                501,
                f"model {model_id!r} is not loaded, and workers of this version load the one model that they are "
                "started with; deploy a worker for it",
                kind="invalid_request_error",
                param="model",
            )
        count = len(self._workers.active(model_id))
        return JSONResponse({"model": model_id, "status": "loaded", "worker_count": count})

    async def _status(self, request: Request) -> Response:
        del request
        workers = self._workers.all()
        return JSONResponse(
            {
                "cluster": {
                    "total_workers": len(workers),
                    "active_workers": len(self._workers.active()),
                    "minimum_workers": self._config.minimum_workers,
                    "requests_in_flight": self._in_flight,
                    "up_s": round(time.time() - self._began_s, 1),
                },
                "workers": [self._describe(worker) for worker in workers],
            }
        )

    def _describe(self, worker: Worker) -> dict[str, Any]:
        return {
            "worker_id": worker.worker_id,
            "status": self._workers.status(worker),
            "address": worker.address,
            "model": worker.model_id,
            "engine": worker.engine,
            "requests_in_flight": worker.in_flight,
            "served_requests": worker.served_requests,
            "max_concurrent_requests": worker.max_concurrent_requests,
            "max_context_tokens": worker.max_context_tokens,
            "kv_cache_utilization": worker.kv_cache_utilization,
            "last_seen_s": round(time.monotonic() - worker.seen_s, 1),
        }

    async def _prometheus(self, request: Request) -> Response:
        del request
        return Response(generate_latest(self._metrics), media_type="text/plain; version=0.0.4")

    async def _json_metrics(self, request: Request) -> Response:
        del request
        samples = {
            sample.name + (f"{{{','.join(f'{k}={v}' for k, v in sample.labels.items())}}}" if sample.labels else ""): (
                sample.value
            )
            for metric in self._metrics.collect()
            for sample in metric.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
        return JSONResponse(samples)

    async def _answer_error(self, request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, RequestError)  # noqa: S101 - registered for this class alone
        self._answers.labels(str(error.status)).inc()
        headers = {"Retry-After": "1"} if error.status in (429, 503) else None
        return JSONResponse(error.body(), error.status, headers)

    async def _chat(self, request: Request) -> Response:
        body = await read_json(request.body, self._config.max_body_bytes, request.headers.get("content-length"))
        chat = parse_chat(body)
        if self.draining:
            raise overloaded("this coordinator is shutting down")
        if self._in_flight >= self._config.max_requests:
            raise RequestError(
                429,
                "too many requests are under way; try again in a moment",
                kind="rate_limit_error",
                code="overloaded",
            )
        models = self._workers.models()
        if not models:
            raise overloaded("no worker is ready; see /api/v1/llm/cluster/status")
        if chat.model not in models:
            raise unknown_model(chat.model, models)
        began = time.perf_counter()
        worker, response = await self._send_while_connected(request, chat.model)
        self._first_byte.observe(time.perf_counter() - began)
        self._answers.labels(str(response.status_code)).inc()
        headers = {key: value for key, value in response.headers.items() if key in _PASSED_ON}
        return _PassedOn(
            self._pass_on(worker, response), response.status_code, headers, self._end_of(worker, response, began)
        )

    async def _send_while_connected(self, request: Request, model: str) -> tuple[Worker, httpx.Response]:
        """As `_send`; a client that leaves ends the work for it."""
        sending = asyncio.create_task(self._send(model, await request.body()))
        leaving = asyncio.create_task(_left(request))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise RequestError(499, "the client left", kind="invalid_request_error", code="client_closed_request")
            return sending.result()
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()

    async def _send(self, model: str, body: bytes) -> tuple[Worker, httpx.Response]:
        """The answer's beginning. Another worker is tried as long as nothing was answered."""
        tried: set[str] = set()
        refused: tuple[Worker, httpx.Response] | None = None
        while (worker := self._workers.choose(model, tried)) is not None:
            if tried:
                self._retries.inc()
            tried.add(worker.worker_id)
            path = contract()["paths"]["chat_completions"]
            outgoing = self._upstream.build_request(
                "POST", f"http://{worker.address}{path}", content=body, headers={"content-type": "application/json"}
            )
            self._take(worker)
            try:
                response = await self._upstream.send(outgoing, stream=True)
            except httpx.ReadTimeout as error:
                # It may still be at work: sending the same to another would double the load.
                self._release(worker)
                raise RequestError(
                    504,
                    f"the worker gave no answer within {self._config.first_byte_timeout_s:g} s; stream the answer, "
                    "or ask for less",
                    kind="server_error",
                    code="timeout",
                ) from error
            except httpx.TransportError:
                self._release(worker)
                self._workers.failed(worker)
                continue
            except BaseException:
                self._release(worker)
                raise
            if response.status_code not in (429, 503):
                return worker, response
            # Full, not broken: another worker may have room.
            if refused is not None:
                await refused[1].aclose()
                self._release(refused[0])
            refused = worker, response
        if refused is not None:
            return refused
        raise overloaded("every worker that serves this model has just failed; try again in a moment")

    def _take(self, worker: Worker) -> None:
        worker.in_flight += 1
        worker.served_requests += 1
        self._in_flight += 1

    def _release(self, worker: Worker) -> None:
        worker.in_flight -= 1
        self._in_flight -= 1

    async def _pass_on(self, worker: Worker, response: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_raw():
                yield chunk
        except httpx.TransportError:
            self._workers.failed(worker)
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                error = overloaded("the worker failed in the middle of the answer").body()
                yield b"data: " + json.dumps(error).encode() + b"\n\n"
            else:
                raise  # a cut connection: nothing may follow half a JSON document

    def _end_of(self, worker: Worker, response: httpx.Response, began: float) -> Callable[[], Awaitable[None]]:
        async def end() -> None:
            self._release(worker)
            self._duration.observe(time.perf_counter() - began)
            await response.aclose()

        return end


class _PassedOn(StreamingResponse):
    """A worker's answer on its way to the client; `end` is called however it goes, even if it never began."""

    def __init__(
        self, content: AsyncIterator[bytes], status: int, headers: dict[str, str], end: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(content, status, headers)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._end()


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
