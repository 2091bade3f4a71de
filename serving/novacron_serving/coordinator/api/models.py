"""Management API for models: list, register, record quality, load onto workers, unload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novacron_serving.coordinator.api.schemas import KnownModel, KnownModels, Loading, Unloading
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.request_body import read_body
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.database import Store, require_database
from novacron_serving.coordinator.registry.records import RegisteredModel
from novacron_serving.coordinator.workers.workers import Worker, Workers, WorkerStatus
from novacron_serving.errors import RequestError
from novacron_serving.models import StoreError, open_folder, read_manifest
from novacron_serving.protocol import PerformanceProfile
from novacron_serving.protocol.openai.responses import model_entry

_ASSIGN_ATTEMPTS = 3
"""How often to try an assignment while other coordinators assign workers too."""


class NewModel(BaseModel):
    """The model to register. Everything else is in its manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(min_length=1, max_length=2000)
    """URL of the model store."""


class Quality(BaseModel):
    """A measured quality score. Other fields of a quality report are ignored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    model_digest: str
    """Digest of the measured model."""
    score: float = Field(ge=0, le=1)
    """Share of tokens that the model predicts like its reference."""


class Load(BaseModel):
    """How to load a model."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    worker_count: int = Field(default=1, ge=1)
    """Workers that serve the model afterwards."""
    quantization: str | None = None
    """Quantization of the published weights. Null: any. Workers do not quantize."""
    performance_profile: PerformanceProfile | None = None
    """Only workers with this profile are used and counted. Null: all workers."""
    force: bool = False
    """Use workers even if another model keeps fewer than minimum_workers."""


class Unload(BaseModel):
    """How to unload a model."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    force: bool = False
    """Unload although requests are in flight. They finish; new requests find no worker."""


class ModelsApi:
    """Request handlers. The caller has checked the role."""

    def __init__(
        self, config: CoordinatorConfig, store: Store | None, workers: Workers, assignments: Assignments
    ) -> None:
        self._config = config
        self._store = store
        self._workers = workers
        self._assignments = assignments

    async def list(self, request: Request) -> Response:
        """List the models that are served or registered."""
        del request
        registered = {model.id: model for model in await self._registered()}
        ids = sorted({*registered, *self._workers.models()})
        body: KnownModels = {"object": "list", "data": [self._describe(id_, registered.get(id_)) for id_ in ids]}
        return JSONResponse(body)

    async def register(self, request: Request) -> Response:
        """Register a model by the URL of its store."""
        store = self._database()
        new = await read_body(request, NewModel, status=422, optional=True)

        def read() -> RegisteredModel:
            manifest = read_manifest(open_folder(new.url, self._config.store_mounts))
            return RegisteredModel(
                id=manifest.model_id, store_url=new.url, digest=manifest.digest, quantization=manifest.quantization
            )

        try:
            model = await asyncio.to_thread(read)
            await asyncio.to_thread(store.add_model, model)
        except StoreError as error:
            raise _unprocessable(f"url: {error}", "url") from error
        self._workers.registered |= {model.id}
        return JSONResponse(self._describe(model.id, model), 201)

    async def set_quality(self, request: Request) -> Response:
        """Record a quality score."""
        store = self._database()
        quality = await read_body(request, Quality, status=422, optional=True)
        model = await self._find_model(request)
        found = await asyncio.to_thread(store.set_quality, model.id, quality.model_digest, quality.score)
        if not found:
            raise _conflict(f"model {model.id!r} has the digest {model.digest}; the measured model has another one")
        return JSONResponse(self._describe(model.id, model.model_copy(update={"quality": quality.score})))

    async def load(self, request: Request) -> Response:
        """Load a model onto the least loaded workers."""
        load = await read_body(request, Load, status=422, optional=True)
        model_id: str = request.path_params["model_id"]
        profile = load.performance_profile
        serving = self._count_serving(model_id, profile)
        if load.quantization is None and serving >= load.worker_count:
            return _loading(model_id, serving, [])
        model = await self._find_model(request)
        if load.quantization not in (None, model.quantization):
            raise _unprocessable(
                f"quantization is {load.quantization}, but the weights of {model.id!r} are "
                f"{model.quantization or 'not quantized'} and workers do not quantize; publish a model with "
                f"{load.quantization} weights under another id",
                "quantization",
            )
        self._check_quality(model)

        def decide() -> list[Worker]:
            loading = len(self._loading_workers(model_id, profile))
            missing = load.worker_count - self._count_serving(model_id, profile) - loading
            return self._choose_workers(model_id, max(0, missing), load)

        await self._assign(decide, model)
        return _loading(model_id, self._count_serving(model_id, profile), self._loading_workers(model_id, profile))

    async def unload(self, request: Request) -> Response:
        """Make the workers of a model serve the model that they were started with."""
        unload = await read_body(request, Unload, status=422, optional=True)
        model = await self._find_model(request)
        serving = [worker for worker in self._workers.active() if worker.model_id == model.id]
        in_flight = sum(worker.in_flight for worker in serving)
        if in_flight and not unload.force:
            raise _conflict(f'model {model.id!r} has {in_flight} requests in flight; wait, or pass "force": true')

        def decide() -> list[Worker]:
            # Includes lost workers, which get the assignment when they come back.
            loaded = [worker for worker in self._workers.all() if self._has_loaded(worker, model.id)]
            if loaded:
                return loaded
            if serving:
                raise _conflict(f"the workers of model {model.id!r} were started with it; stop them instead")
            raise _conflict(f"model {model.id!r} is not loaded")

        workers = await self._assign(decide, None)
        body: Unloading = {"model": model.id, "status": "unloading", "workers": [one.worker_id for one in workers]}
        return JSONResponse(body, 202)

    async def _assign(self, decide: Callable[[], list[Worker]], model: RegisteredModel | None) -> list[Worker]:
        """Assign a model, or None for the one that they were started with, to the workers that `decide` returns."""
        async with self._assignments.lock:
            for _ in range(_ASSIGN_ATTEMPTS):
                await self._assignments.refresh()
                workers = decide()
                fields = (
                    {}
                    if model is None
                    else {"model_id": model.id, "store_url": model.store_url, "digest": model.digest}
                )
                if await self._assignments.assign(workers, **fields):
                    return workers
        raise _conflict("other coordinators assign workers at the same time; try again")

    def _count_serving(self, model_id: str, profile: PerformanceProfile | None) -> int:
        """Return how many workers with a profile serve a model and have no other assignment."""
        serving = [worker for worker in self._workers.active() if worker.model_id == model_id]
        return sum(_has_profile(worker, profile) and self._assignments.pending(worker) is None for worker in serving)

    def _loading_workers(self, model_id: str, profile: PerformanceProfile | None) -> list[Worker]:
        """Return the workers with a profile that are loading a model, including draining ones."""
        present = [one for one in self._workers.all() if self._workers.status(one) is not WorkerStatus.LOST]
        return [worker for worker in present if _has_profile(worker, profile) and self._is_loading(worker, model_id)]

    def _has_loaded(self, worker: Worker, model_id: str) -> bool:
        """Return whether a worker serves or loads a model that it was not started with."""
        pending = self._assignments.pending(worker)
        if pending is not None:
            return pending.model_id == model_id
        return worker.model_id == model_id and bool(worker.assignment_id)

    def _choose_workers(self, model_id: str, count: int, load: Load) -> list[Worker]:
        left = {pool.model_id: len(pool.active) for pool in self._workers.pools.values()}
        for worker in self._workers.active():
            left[worker.model_id] -= self._assignments.pending(worker) is not None
        chosen: list[Worker] = []
        for worker in sorted(self._workers.active(), key=lambda worker: (worker.load, worker.worker_id)):
            free = worker.assignable and worker.model_id != model_id and self._assignments.pending(worker) is None
            free = free and _has_profile(worker, load.performance_profile)
            if len(chosen) < count and free and (load.force or left[worker.model_id] > self._config.minimum_workers):
                chosen.append(worker)
                left[worker.model_id] -= 1
        if len(chosen) < count:
            profile = "" if load.performance_profile is None else f" with the profile {load.performance_profile.value}"
            raise _conflict(
                f"loading {model_id!r} needs {count} more workers{profile}, and {len(chosen)} are available, because "
                f"each model in use keeps minimum_workers = {self._config.minimum_workers}; start more workers, "
                'request fewer, or pass "force": true'
            )
        return chosen

    def _check_quality(self, model: RegisteredModel) -> None:
        minimum = self._config.minimum_quality
        if minimum is None or (model.quality is not None and model.quality >= minimum):
            return
        quality = "is not measured" if model.quality is None else f"is {model.quality:g}"
        raise _conflict(
            f"the quality of model {model.id!r} {quality}; minimum_quality is {minimum:g}. Measure it with `novacron "
            f"quality` and PUT the report to /api/v1/llm/models/{model.id}/quality"
        )

    def _is_loading(self, worker: Worker, model_id: str) -> bool:
        pending = self._assignments.pending(worker)
        return pending is not None and pending.model_id == model_id

    def _describe(self, model_id: str, model: RegisteredModel | None) -> KnownModel:
        count = len(self._workers.pools[model_id].active) if model_id in self._workers.pools else 0
        loading = any(self._is_loading(worker, model_id) for worker in self._workers.all())
        status = "loaded" if count else "loading" if loading else "registered"
        known: KnownModel = {**model_entry(model_id), "status": status, "worker_count": count}
        if model is not None:
            known["store_url"], known["digest"] = model.store_url, model.digest
            known["quantization"], known["quality"] = model.quantization, model.quality
        return known

    def _database(self) -> Store:
        return require_database(self._store, "registered models")

    async def _registered(self) -> list[RegisteredModel]:
        return [] if self._store is None else await asyncio.to_thread(self._store.models)

    async def _find_model(self, request: Request) -> RegisteredModel:
        model_id: str = request.path_params["model_id"]
        for model in await self._registered():
            if model.id == model_id:
                return model
        raise RequestError(
            404, f"model {model_id!r} is not registered; POST the URL of its store to /api/v1/llm/models",
            kind="invalid_request_error", param="model", code="model_not_found",
        )  # fmt: skip


def _has_profile(worker: Worker, profile: PerformanceProfile | None) -> bool:
    return profile in (None, worker.performance_profile)


def _loading(model_id: str, serving: int, loading: Sequence[Worker]) -> Response:
    body: Loading = {"model": model_id, "status": "loading" if loading else "loaded", "worker_count": serving}
    if loading:
        body["loading"] = sorted(worker.worker_id for worker in loading)
    return JSONResponse(body, 202 if loading else 200)


def _unprocessable(message: str, param: str) -> RequestError:
    return RequestError(422, message, kind="invalid_request_error", param=param)


def _conflict(message: str) -> RequestError:
    return RequestError(409, message, kind="invalid_request_error")
