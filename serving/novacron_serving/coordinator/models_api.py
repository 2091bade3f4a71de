"""Models over HTTP: what there is, registered from stores, measured, loaded onto workers and unloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.bodies import KnownModel, KnownModels, Loading, Unloading
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.database import RegisteredModel, Store, needed
from novacron_serving.coordinator.workers import Worker, Workers, WorkerStatus
from novacron_serving.errors import RequestError
from novacron_serving.models import StoreError, open_folder, read_manifest
from novacron_serving.protocol import PerformanceProfile
from novacron_serving.protocol.openai.answers import model_entry
from novacron_serving.server import read_as, read_json

_LARGEST_BODY = 4096
_ATTEMPTS = 3
"""To assign workers, while other coordinators do so too."""
Body = TypeVar("Body", bound=BaseModel)


class NewModel(BaseModel):
    """A model to register: everything else is in its manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(min_length=1, max_length=2000)


class Quality(BaseModel):
    """A measured score. Other fields of a report are not looked at."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    model_digest: str
    """Of the model that was measured."""
    score: float = Field(ge=0, le=1)


class Load(BaseModel):
    """How a model is to be loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    worker_count: int = Field(default=1, ge=1)
    """Workers that serve it in the end."""
    quantization: str | None = None
    """Of the weights; None: as they were published. Workers do not quantise."""
    performance_profile: PerformanceProfile | None = None
    """Only workers of this profile are taken, and counted; None: any."""
    force: bool = False
    """Also take workers of which another model needs the last."""


class Unload(BaseModel):
    """How a model is to be unloaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    force: bool = False
    """Also while requests for it are under way: they end, and new ones find no worker."""


class ModelsApi:
    """Handlers; who may call them is checked before."""

    def __init__(
        self, config: CoordinatorConfig, store: Store | None, workers: Workers, assignments: Assignments
    ) -> None:
        self._config = config
        self._store = store
        self._workers = workers
        self._assignments = assignments

    async def list(self, request: Request) -> Response:
        """What is served, and what could be."""
        del request
        registered = {model.id: model for model in await self._registered()}
        ids = sorted({*registered, *self._workers.models()})
        body: KnownModels = {"object": "list", "data": [self._describe(id_, registered.get(id_)) for id_ in ids]}
        return JSONResponse(body)

    async def register(self, request: Request) -> Response:
        """A model by its URL."""
        store = self._database()
        new = await _read(request, NewModel)

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

    async def measure(self, request: Request) -> Response:
        """A score for a model."""
        store, model = self._database(), await self._model(request)
        quality = await _read(request, Quality)
        kept = await asyncio.to_thread(store.set_quality, model.id, quality.model_digest, quality.score)
        if not kept:
            raise _conflict(f"model {model.id!r} has the digest {model.digest}, and another one was measured")
        return JSONResponse(self._describe(model.id, model.model_copy(update={"quality": quality.score})))

    async def load(self, request: Request) -> Response:
        """Have so many workers serve a model; those with the least to do are taken."""
        load = await _read(request, Load)
        model_id: str = request.path_params["model_id"]
        profile = load.performance_profile
        have = self._have(model_id, profile)
        if load.quantization is None and have >= load.worker_count:
            return _loading(model_id, have, [])
        model = await self._model(request)
        if load.quantization not in (None, model.quantization):
            raise _unprocessable(
                f"quantization: {model_id!r} has {model.quantization or 'unquantised'} weights, and workers do not "
                f"quantise; publish a model with {load.quantization} weights under another id", "quantization",
            )  # fmt: skip
        self._check_quality(model)

        def decide() -> list[Worker]:
            wanted = load.worker_count - self._have(model_id, profile) - len(self._coming(model_id, profile))
            return self._choose(model_id, max(0, wanted), load)

        await self._assign(decide, model)
        return _loading(model_id, self._have(model_id, profile), self._coming(model_id, profile))

    async def unload(self, request: Request) -> Response:
        """Have its workers serve what they were started with."""
        unload = await _read(request, Unload)
        model = await self._model(request)
        serving = [worker for worker in self._workers.active() if worker.model_id == model.id]
        under_way = sum(worker.in_flight for worker in serving)
        if under_way and not unload.force:
            raise _conflict(f"model {model.id!r} has {under_way} requests under way; wait, or say force")

        def decide() -> list[Worker]:
            # A lost worker that comes back is told then.
            these = [worker for worker in self._workers.all() if self._serves_for_now(worker, model.id)]
            if these:
                return these
            if serving:
                raise _conflict(f"the workers that serve {model.id!r} were started with it: stop them instead")
            raise _conflict(f"model {model.id!r} is not loaded")

        told = await self._assign(decide, None)
        body: Unloading = {"model": model.id, "status": "unloading", "workers": [one.worker_id for one in told]}
        return JSONResponse(body, 202)

    async def _assign(self, decide: Callable[[], list[Worker]], model: RegisteredModel | None) -> list[Worker]:
        """Give those whom `decide` names this model, or the one they were started with."""
        async with self._assignments.deciding:
            for _ in range(_ATTEMPTS):
                await self._assignments.read()
                taken = decide()
                told = (
                    {}
                    if model is None
                    else {"model_id": model.id, "store_url": model.store_url, "digest": model.digest}
                )
                if await self._assignments.give(taken, **told):
                    return taken
        raise _conflict("other coordinators assign workers at the same time; ask again")

    def _have(self, model_id: str, profile: PerformanceProfile | None) -> int:
        """Workers of a profile, or any, that serve it and go on doing so."""
        serve = [worker for worker in self._workers.active() if worker.model_id == model_id]
        return sum(_is_of(worker, profile) and self._assignments.pending(worker) is None for worker in serve)

    def _coming(self, model_id: str, profile: PerformanceProfile | None) -> list[Worker]:
        """Workers of a profile, or any, that load it; they are draining for part of that time."""
        there = [one for one in self._workers.all() if self._workers.status(one) is not WorkerStatus.LOST]
        return [worker for worker in there if _is_of(worker, profile) and self._comes(worker, model_id)]

    def _serves_for_now(self, worker: Worker, model_id: str) -> bool:
        """Whether it serves or loads a model that it was not started with."""
        pending = self._assignments.pending(worker)
        if pending is not None:
            return pending.model_id == model_id
        return worker.model_id == model_id and bool(worker.assignment_id)

    def _choose(self, model_id: str, count: int, load: Load) -> list[Worker]:
        left = {pool.model_id: len(pool.active) for pool in self._workers.pools.values()}
        for worker in self._workers.active():
            left[worker.model_id] -= self._assignments.pending(worker) is not None
        taken: list[Worker] = []
        for worker in sorted(self._workers.active(), key=lambda worker: (worker.load, worker.worker_id)):
            free = worker.assignable and worker.model_id != model_id and self._assignments.pending(worker) is None
            free = free and _is_of(worker, load.performance_profile)
            if len(taken) < count and free and (load.force or left[worker.model_id] > self._config.minimum_workers):
                taken.append(worker)
                left[worker.model_id] -= 1
        if len(taken) < count:
            of = "" if load.performance_profile is None else f" of the profile {load.performance_profile.value}"
            raise _conflict(
                f"{count} more workers{of} are wanted for {model_id!r}, and {len(taken)} can be taken: each model that "
                f"is served keeps minimum_workers, {self._config.minimum_workers}; start more workers, ask for fewer, "
                "or say force"
            )
        return taken

    def _check_quality(self, model: RegisteredModel) -> None:
        minimum = self._config.minimum_quality
        if minimum is None or (model.quality is not None and model.quality >= minimum):
            return
        has = "was not measured" if model.quality is None else f"has the quality {model.quality:g}"
        raise _conflict(
            f"model {model.id!r} {has}, and minimum_quality is {minimum:g}; measure it with `novacron "
            f"quality` and PUT the report to /api/v1/llm/models/{model.id}/quality"
        )

    def _comes(self, worker: Worker, model_id: str) -> bool:
        pending = self._assignments.pending(worker)
        return pending is not None and pending.model_id == model_id

    def _describe(self, model_id: str, model: RegisteredModel | None) -> KnownModel:
        count = len(self._workers.pools[model_id].active) if model_id in self._workers.pools else 0
        loading = [worker.worker_id for worker in self._workers.all() if self._comes(worker, model_id)]
        status = "loaded" if count else "loading" if loading else "registered"
        known: KnownModel = {**model_entry(model_id), "status": status, "worker_count": count}
        if model is not None:
            known["store_url"], known["digest"] = model.store_url, model.digest
            known["quantization"], known["quality"] = model.quantization, model.quality
        return known

    def _database(self) -> Store:
        return needed(self._store, "models are registered")

    async def _registered(self) -> list[RegisteredModel]:
        return [] if self._store is None else await asyncio.to_thread(self._store.models)

    async def _model(self, request: Request) -> RegisteredModel:
        model_id: str = request.path_params["model_id"]
        for model in await self._registered():
            if model.id == model_id:
                return model
        raise RequestError(
            404, f"no model {model_id!r} is registered; POST its store's URL to /api/v1/llm/models",
            kind="invalid_request_error", param="model", code="model_not_found",
        )  # fmt: skip


def _is_of(worker: Worker, profile: PerformanceProfile | None) -> bool:
    return profile in (None, worker.performance_profile)


def _loading(model_id: str, have: int, coming: Sequence[Worker]) -> Response:
    body: Loading = {"model": model_id, "status": "loading" if coming else "loaded", "worker_count": have}
    if coming:
        body["loading"] = sorted(worker.worker_id for worker in coming)
    return JSONResponse(body, 202 if coming else 200)


async def _read(request: Request, kind: type[Body]) -> Body:
    body = await request.body()
    said = await read_json(request.body, _LARGEST_BODY, request.headers.get("content-length")) if body else {}
    return read_as(kind, said, 422)


def _unprocessable(message: str, param: str) -> RequestError:
    return RequestError(422, message, kind="invalid_request_error", param=param)


def _conflict(message: str) -> RequestError:
    return RequestError(409, message, kind="invalid_request_error")
