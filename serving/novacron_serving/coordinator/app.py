"""Everything that the coordinator answers itself: models, the cluster's status, health, metrics, a page. Not chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from novacron_serving.coordinator import openapi
from novacron_serving.coordinator.access import Role
from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.bodies import Alive, ClusterStatus, NextModel, Ready, ServedModels, WorkerBody
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.front import HOT_PATHS
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.keys_api import KeysApi
from novacron_serving.coordinator.models_api import ModelsApi
from novacron_serving.coordinator.page import page_routes
from novacron_serving.coordinator.upkeep import Upkeep
from novacron_serving.coordinator.workers import Worker, Workers
from novacron_serving.errors import RequestError
from novacron_serving.http_errors import answer_error, answer_fault, answer_http_error
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import unknown_model
from novacron_serving.protocol.openai.answers import model_entry

_ROLES = tuple(Role)
Handler = Callable[[Request], Awaitable[Response]]


class CoordinatorApp:
    """State and handlers of one coordinator."""

    def __init__(
        self,
        config: CoordinatorConfig,
        workers: Workers,
        gate: Gate,
        upkeep: Upkeep,
        keys: KeysApi,
        models: ModelsApi,
        assignments: Assignments,
    ) -> None:
        self._assignments = assignments
        self._config = config
        self._workers = workers
        self._gate = gate
        self._upkeep = upkeep
        self._began_s = time.time()
        metrics, names = gate.metrics, contract()["metrics"]
        metrics.gauge("novacron_workers_active", "Workers that get requests").set_function(
            lambda: len(workers.active())
        )
        metrics.gauge(names["requests_running"], "Requests under way").set_function(
            lambda: gate.under_way - gate.waiting
        )
        metrics.gauge(names["requests_waiting"], "Requests that wait for a worker's place").set_function(
            lambda: gate.waiting
        )
        paths = contract()["paths"]
        prefix = paths["llm_prefix"]
        user, operator, admin = (self._may(role) for role in Role)
        self.asgi = Starlette(
            routes=[
                *(Route(path.decode(), _not_plain, methods=["POST"]) for path in HOT_PATHS),
                Route(paths["models"], user(self._models)),
                Route(f"{paths['models']}/{{model_id:path}}", user(self._model)),
                Route(f"{prefix}/models", user(models.list), methods=["GET"]),
                Route(f"{prefix}/models", operator(models.register), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/load", operator(models.load), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/unload", operator(models.unload), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/quality", operator(models.measure), methods=["PUT"]),
                Route(paths["cluster_status"], user(self._status)),
                Route(f"{prefix}/metrics", user(self._json_metrics)),
                Route(f"{prefix}/keys", admin(keys.list), methods=["GET"]),
                Route(f"{prefix}/keys", admin(keys.make), methods=["POST"]),
                Route(f"{prefix}/keys/{{name}}", admin(keys.revoke), methods=["DELETE"]),
                Route(paths["health"], self._health),
                Route(paths["ready"], self._ready),
                Route(paths["metrics"], self._prometheus),
                Route(paths["openapi"], _openapi),
                *page_routes(),
            ],
            exception_handlers={
                RequestError: self._answer_error,
                HTTPException: answer_http_error,
                Exception: answer_fault,
            },
        )
        self.asgi.router.redirect_slashes = False
        if config.cors_origins:
            self.asgi.add_middleware(
                CORSMiddleware,
                allow_origins=list(config.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "x-session-id"],
            )

    def _may(self, role: Role) -> Callable[[Handler], Handler]:
        """Handlers for callers with at least this role."""

        def guard(handler: Handler) -> Handler:
            async def guarded(request: Request) -> Response:
                authorization = request.headers.get("authorization")
                caller = self._gate.access.caller(authorization.encode() if authorization else None)
                if _ROLES.index(caller.role) < _ROLES.index(role):
                    raise RequestError(
                        403, f"this needs a key with the role {role.value}; yours has {caller.role.value}",
                        kind="permission_error", code="insufficient_permissions",
                    )  # fmt: skip
                return await handler(request)

            return guarded

        return guard

    async def _health(self, request: Request) -> Response:
        del request
        body: Alive = {"status": "ok"}
        return JSONResponse(body)

    async def _ready(self, request: Request) -> Response:
        del request
        active = len(self._workers.active())
        ready = not self._gate.draining and active >= self._config.minimum_workers
        body: Ready = {
            "ready": ready,
            "draining": self._gate.draining,
            "active_workers": active,
            "minimum_workers": self._config.minimum_workers,
            "degraded": self._upkeep.degraded,
        }
        return JSONResponse(body, 200 if ready else 503)

    async def _models(self, request: Request) -> Response:
        del request
        pools = self._workers.pools
        entries = [model_entry(model, pools[model].parent) for model in self._workers.models()]
        body: ServedModels = {"object": "list", "data": entries}
        return JSONResponse(body)

    async def _model(self, request: Request) -> Response:
        model_id: str = request.path_params["model_id"]
        if model_id not in (known := self._workers.models()):
            raise unknown_model(model_id, sorted(known))
        return JSONResponse(model_entry(model_id, self._workers.pools[model_id].parent))

    async def _status(self, request: Request) -> Response:
        del request
        workers = self._workers.all()
        body: ClusterStatus = {
            "cluster": {
                "total_workers": len(workers),
                "active_workers": len(self._workers.active()),
                "minimum_workers": self._config.minimum_workers,
                "requests_in_flight": self._gate.under_way,
                "requests_waiting": self._gate.waiting,
                "up_s": round(time.time() - self._began_s, 1),
            },
            "workers": [self._describe(worker) for worker in workers],
        }
        return JSONResponse(body)

    def _describe(self, worker: Worker) -> WorkerBody:
        return {
            "worker_id": worker.worker_id,
            "status": self._workers.status(worker).value,
            "address": worker.address,
            "model": worker.model_id,
            "adapters": [model for model in worker.models if model != worker.model_id],
            "role": worker.role.value,
            "performance_profile": worker.performance_profile.value,
            "next_model": self._next_model(worker),
            "engine": worker.engine,
            "requests_in_flight": worker.in_flight,
            "served_requests": worker.served_requests,
            "max_concurrent_requests": worker.max_concurrent_requests,
            "max_context_tokens": worker.max_context_tokens,
            "kv_cache_utilization": worker.kv_cache_utilization,
            "last_seen_s": round(time.monotonic() - worker.seen_s, 1),
            "distrust": worker.upstream.distrust or None,
        }

    def _next_model(self, worker: Worker) -> NextModel | None:
        """What it was told to serve and does not yet, or could not."""
        given, failure = self._assignments.given(worker), self._assignments.failure(worker)
        if given is None:
            return None
        return {"model": given.model_id, "state": "failed" if failure else "loading", "reason": failure}

    async def _prometheus(self, request: Request) -> Response:
        del request
        return Response(generate_latest(self._gate.metrics.registry), media_type="text/plain; version=0.0.4")

    async def _json_metrics(self, request: Request) -> Response:
        del request
        samples = {
            sample.name + (f"{{{','.join(f'{k}={v}' for k, v in sample.labels.items())}}}" if sample.labels else ""): (
                sample.value
            )
            for metric in self._gate.metrics.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
        return JSONResponse(samples)

    async def _answer_error(self, request: Request, error: Exception) -> Response:
        answer = await answer_error(request, error)
        self._gate.metrics.answered(answer.status_code)
        return answer


async def _openapi(request: Request) -> Response:
    del request
    # Made when it is first asked for: a coordinator starts faster without it.
    return JSONResponse(await asyncio.to_thread(openapi.document))


async def _not_plain(request: Request) -> Response:
    """The path was written in another way than it is, so that it did not go the short way."""
    raise HTTPException(404, f"ask for {request.url.path}, spelled just so")
