"""Loads the model of the worker's configuration, and later the models that the coordinator assigns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.engines import Engine
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.errors import StartError
from novacron_serving.models import StoreError, download, open_folder
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.served import ServedModel
from novacron_serving.worker.tool_calls import detect_tool_format

IDLE_CHECK_S = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on this machine."""

    model_id: str
    folder: Path
    digest: str = ""
    """SHA-256 from its manifest. Empty: it does not come from a store."""


class Loader:
    """Loads one model at a time and keeps `served` up to date."""

    def __init__(
        self,
        config: WorkerConfig,
        make_engine: Callable[[Path], Engine],
        *,
        on_loaded: Callable[[Model], None] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare the model of the configuration. Nothing is loaded yet.

        Args:
            config: the worker's configuration.
            make_engine: makes an engine for a model folder.
            on_loaded: called after each model that was loaded.
            clock: for tests.
        """
        self._config = config
        self._make_engine = make_engine
        self._on_loaded = on_loaded
        self._clock = clock
        # The folder of a model from a store is known after its download.
        folder = config.model.folder or config.model_cache
        self.model = self._first = Model(model_id=config.model.id, folder=folder)
        self.served = ServedModel(model_id=config.model.id, engine=make_engine(folder))

    async def start(self) -> None:
        """Load the model of the configuration. Raises `StartError`."""
        if self._config.model.url is not None:
            self._first = await self._fetch(self._config.model.id, self._config.model.url, None)
            self.served.engine = self._make_engine(self._first.folder)
        await self._load(self._first)

    async def switch(self, model_id: str, url: str, digest: str, drain: Callable[[], Awaitable[None]]) -> None:
        """Serve another model. The present model is served until the other one is downloaded.

        Args:
            model_id: the name to serve it under. Empty: the model of the configuration.
            url: the model's folder in its store.
            digest: SHA-256 from its manifest.
            drain: makes the coordinators send no more requests.

        Raises:
            StartError: the other model cannot be downloaded or loaded. The previous one is served again, unless
                `served.ready` is False.
        """
        engine = self._config.engine
        if isinstance(engine, TensorRtLlmConfig) and engine.spans_machines:
            # The ranks of the other machines have only the model that they downloaded before they started.
            raise StartError("the engine spans machines, so this worker serves only the model of its configuration")
        previous = self.model
        wanted = await self._fetch(model_id, url, digest) if model_id else self._first
        await drain()
        await self._wait_until_idle()
        self.served.ready = False  # late requests get 503, and the coordinator sends them to another worker
        await self.served.engine.unload()
        try:
            self.served.engine = self._make_engine(wanted.folder)
            await self._load(wanted)
        except StartError:
            await self.served.engine.unload()
            self.served.engine = self._make_engine(previous.folder)
            await self._load(previous)
            raise

    async def _fetch(self, model_id: str, url: str, digest: str | None) -> Model:
        def fetch() -> Model:
            store_folder = open_folder(url, self._config.store_mounts)
            cache = self._config.model_cache.expanduser()
            folder, manifest = download(store_folder, cache, self._config.loader, digest=digest)
            if manifest.model_id != model_id:
                raise StoreError(f"store {url!r} has the model {manifest.model_id!r}, but {model_id!r} was requested")
            return Model(model_id=model_id, folder=folder, digest=manifest.digest)

        return await asyncio.to_thread(fetch)

    async def _load(self, model: Model) -> None:
        log.info("loading %s from %s", model.model_id, model.folder)
        served = self.served
        await served.engine.load()
        self.model = model
        served.model_id, served.digest = model.model_id, model.digest
        served.tool_format = detect_tool_format(model.folder, self._config.engine.chat_template)
        served.ready = True
        self._on_loaded(model)

    async def _wait_until_idle(self) -> None:
        """Wait at most `drain_s` until two checks in a row find no request: one may be on its way to the worker."""
        deadline, idle_checks = self._clock.monotonic() + self._config.drain_s, 0
        while idle_checks < 2 and self._clock.monotonic() < deadline:
            await self._clock.sleep(IDLE_CHECK_S)
            stats = self.served.engine.stats()
            idle_checks = 0 if stats.running_requests or stats.waiting_requests else idle_checks + 1
