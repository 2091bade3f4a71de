"""The ASGI application: models, API keys, cluster status, health, metrics and the page. Everything except chat."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from novacron_serving.coordinator.api import openapi
from novacron_serving.coordinator.api.keys import KeysApi
from novacron_serving.coordinator.api.models import ModelsApi
from novacron_serving.coordinator.api.page import page_routes
from novacron_serving.coordinator.api.schemas import Alive, ClusterStatus, NextModel, Ready, ServedModels, WorkerBody
from novacron_serving.coordinator.background_tasks import BackgroundTasks
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard, CrossSiteMiddleware
from novacron_serving.coordinator.http.protocol import HOT_PATHS
from novacron_serving.coordinator.limits.authentication import Authenticator, Role
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Worker, Workers
from novacron_serving.errors import RequestError
from novacron_serving.http_errors import handle_http_error, handle_request_error, handle_server_error
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import unknown_model
from novacron_serving.protocol.openai.responses import model_entry

_ROLES = tuple(Role)
_RESOLVE_TIMEOUT_S = 2.0
_NO_ADDRESS = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_FAIL)
"""Errors for a name without an address. EAI_FAIL: the DNS server refuses to resolve names outside the cluster."""
Handler = Callable[[Request], Awaitable[Response]]


class CoordinatorApp:
    """The routes and their handlers."""

    def __init__(
        self,
        config: CoordinatorConfig,
        workers: Workers,
        scheduler: Scheduler,
        authenticator: Authenticator,
        cross_site_guard: CrossSiteGuard,
        background_tasks: BackgroundTasks,
        keys: KeysApi,
        models: ModelsApi,
        assignments: Assignments,
    ) -> None:
        self._assignments = assignments
        self._authenticator = authenticator
        self._config = config
        self._workers = workers
        self._scheduler = scheduler
        self._background_tasks = background_tasks
        self._clock = scheduler.clock
        self._started_s = self._clock.monotonic()
        self._was_ready = False
        metrics = scheduler.metrics
        metrics.gauge("workers_active", "Active workers").set_function(lambda: len(workers.active()))
        metrics.gauge("workers_minimum", "Active workers below which the coordinator is degraded").set(
            config.minimum_workers
        )
        metrics.gauge("requests_running", "Requests that workers are serving").set_function(
            lambda: scheduler.in_flight - scheduler.queued
        )
        metrics.gauge("requests_waiting", "Queued requests").set_function(lambda: scheduler.queued)
        paths = contract()["paths"]
        prefix = paths["llm_prefix"]
        middleware: list[Middleware] = []
        if cross_site_guard.enabled:
            middleware.append(Middleware(CrossSiteMiddleware, guard=cross_site_guard))
        if config.cors_origins:
            middleware.append(
                Middleware(
                    CORSMiddleware,
                    allow_origins=list(config.cors_origins),
                    allow_methods=["GET", "POST"],
                    allow_headers=["authorization", "content-type", "x-session-id"],
                )
            )
        user, operator, admin = (self._requires(role) for role in Role)
        self.asgi = Starlette(
            routes=[
                *(Route(path.decode(), _other_spelling, methods=["POST"]) for path in HOT_PATHS),
                Route(paths["models"], user(self._models)),
                Route(f"{paths['models']}/{{model_id:path}}", user(self._model)),
                Route(f"{prefix}/models", user(models.list), methods=["GET"]),
                Route(f"{prefix}/models", operator(models.register), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/load", operator(models.load), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/unload", operator(models.unload), methods=["POST"]),
                Route(f"{prefix}/models/{{model_id:path}}/quality", operator(models.set_quality), methods=["PUT"]),
                Route(paths["cluster_status"], user(self._status)),
                Route(f"{prefix}/metrics", user(self._json_metrics)),
                Route(f"{prefix}/keys", admin(keys.list), methods=["GET"]),
                Route(f"{prefix}/keys", admin(keys.create), methods=["POST"]),
                Route(f"{prefix}/keys/{{name}}", admin(keys.revoke), methods=["DELETE"]),
                Route(paths["health"], self._health),
                Route(paths["ready"], self._ready),
                *((metrics.route(),) if config.metrics_port is None else ()),
                Route(paths["openapi"], _openapi),
                *page_routes(),
            ],
            middleware=middleware,
            exception_handlers={
                RequestError: self._answer_error,
                HTTPException: handle_http_error,
                Exception: handle_server_error,
            },
        )
        self.asgi.router.redirect_slashes = False

    def _requires(self, role: Role) -> Callable[[Handler], Handler]:
        """Return a decorator for handlers that need at least this role."""

        def guard(handler: Handler) -> Handler:
            async def guarded(request: Request) -> Response:
                authorization = request.headers.get("authorization")
                principal = self._authenticator.authenticate(authorization.encode() if authorization else None)
                if _ROLES.index(principal.role) < _ROLES.index(role):
                    raise RequestError(
                        403, f"this needs a key with the role {role.value}; yours has the role {principal.role.value}",
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
        active, minimum = len(self._workers.active()), self._config.minimum_workers
        # All coordinators see the same workers. If losing one made them unready, it would do so to all of them at once,
        # and clients would reach none. So the minimum counts only until it is there for the first time.
        self._was_ready = (
            self._was_ready or active >= minimum or self._has_waited_enough() or await self._has_no_worker_to_wait_for()
        )
        ready = self._was_ready and not self._scheduler.draining
        degraded = dict(self._background_tasks.degraded)
        if self._was_ready and active < minimum:
            degraded["workers"] = f"{active} of at least {minimum} are active"
        body: Ready = {
            "ready": ready,
            "draining": self._scheduler.draining,
            "active_workers": active,
            "minimum_workers": minimum,
            "degraded": degraded,
        }
        return JSONResponse(body, 200 if ready else 503)

    def _has_waited_enough(self) -> bool:
        """Return whether the time is over in which a new coordinator waits for workers."""
        limit_s = self._config.workers_timeout_s
        return limit_s is not None and self._clock.monotonic() - self._started_s >= limit_s

    async def _has_no_worker_to_wait_for(self) -> bool:
        """Return whether the workers' name has no address: workers of a new cluster start after its coordinators."""
        name = self._config.workers_name
        if name is None:
            return False
        try:
            await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo(name, None), _RESOLVE_TIMEOUT_S)
        except socket.gaierror as error:
            return error.errno in _NO_ADDRESS
        except asyncio.TimeoutError:
            pass
        return False

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
                "requests_in_flight": self._scheduler.in_flight,
                "requests_waiting": self._scheduler.queued,
                "up_s": round(self._clock.monotonic() - self._started_s, 1),
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
            "last_seen_s": round(self._clock.monotonic() - worker.last_seen_s, 1),
            "distrust": worker.upstream.tls_error or None,
        }

    def _next_model(self, worker: Worker) -> NextModel | None:
        """Return the model that a worker is loading, or could not load."""
        assignment, failure = self._assignments.unfulfilled(worker), self._assignments.failure(worker)
        if assignment is None:
            return None
        return {"model": assignment.model_id, "state": "failed" if failure else "loading", "reason": failure}

    async def _json_metrics(self, request: Request) -> Response:
        del request
        samples = {
            sample.name + (f"{{{','.join(f'{k}={v}' for k, v in sample.labels.items())}}}" if sample.labels else ""): (
                sample.value
            )
            for metric in self._scheduler.metrics.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
        return JSONResponse(samples)

    async def _answer_error(self, request: Request, error: Exception) -> Response:
        response = await handle_request_error(request, error)
        self._scheduler.metrics.count_response(response.status_code)
        return response


async def _openapi(request: Request) -> Response:
    del request
    # Built by the first request, because it would slow down the start.
    return JSONResponse(await asyncio.to_thread(openapi.document))


async def _other_spelling(request: Request) -> Response:
    """Reject another spelling of a hot path, which the protocol has not recognized."""
    raise HTTPException(404, f"no such path; use exactly {request.url.path}")
