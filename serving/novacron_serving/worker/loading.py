"""Which model a worker serves: the one it is started with, or another that the coordinator assigns to it later."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from novacron_serving.engines import Engine
from novacron_serving.errors import StartError
from novacron_serving.models import StoreError, download, open_folder
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.tool_calls import tool_format

if TYPE_CHECKING:  # it imports the registration, and that imports this
    from novacron_serving.worker.app import WorkerApp

IDLE_CHECK_S = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on this machine."""

    model_id: str
    folder: Path
    digest: str = ""
    """Of its manifest; empty: it is no model of a store."""


class Loader:
    """Loads one model after the other. `model` and `engine` are what is served."""

    def __init__(self, config: WorkerConfig, make_engine: Callable[[Path], Engine]) -> None:
        self._config = config
        self._make_engine = make_engine
        # A store's model has its folder once it is here.
        folder = config.model.path or config.model_cache
        self.model = self._first = Model(model_id=config.model.id, folder=folder)
        self.engine = make_engine(folder)
        self.app: WorkerApp | None = None
        self.loaded: Callable[[], None] | None = None
        """Called after each model that was loaded."""

    async def start(self) -> None:
        """Load the model of the configuration. Raises `StartError`."""
        if self._config.model.url is not None:
            self._first = await self._fetch(self._config.model.id, self._config.model.url, None)
            self.engine = self._make_engine(self._first.folder)
        await self._load(self._first)

    async def switch(self, model_id: str, url: str, digest: str, drain: Callable[[], Awaitable[None]]) -> None:
        """Serve another model; without an id, the first one. The present one is served until the other is fetched.

        Args:
            model_id: under which name it is served.
            url: its store.
            digest: of its manifest.
            drain: has the coordinator send nothing more.

        Raises:
            StartError: the other one cannot be had or loaded; what was served before is served again.
        """
        before = self.model
        wanted = await self._fetch(model_id, url, digest) if model_id else self._first
        await drain()
        await self._idle()
        if self.app is not None:
            self.app.loaded = False  # what still comes is sent to another worker by the coordinator
        await self.engine.unload()
        try:
            self.engine = self._make_engine(wanted.folder)
            await self._load(wanted)
        except StartError:
            await self.engine.unload()
            self.engine = self._make_engine(before.folder)
            await self._load(before)
            raise

    async def _fetch(self, model_id: str, url: str, digest: str | None) -> Model:
        def fetch() -> Model:
            folder = open_folder(url, self._config.store_mounts)
            cache = self._config.model_cache.expanduser()
            here, manifest = download(folder, cache, self._config.loader, digest=digest)
            if manifest.model_id != model_id:
                raise StoreError(f"store {url!r} has the model {manifest.model_id!r}, and {model_id!r} is asked for")
            return Model(model_id=model_id, folder=here, digest=manifest.digest)

        return await asyncio.to_thread(fetch)

    async def _load(self, model: Model) -> None:
        log.info("loads %s from %s", model.model_id, model.folder)
        await self.engine.load()
        self.model = model
        if self.app is not None:
            self.app.serve(self.engine, model.model_id, tool_format(model.folder))
        if self.loaded is not None:
            self.loaded()

    async def _idle(self) -> None:
        """Until nothing is generated, twice in a row: a request may be on its way. At most as long as a drain."""
        end_s, quiet = time.monotonic() + self._config.drain_s, 0
        while quiet < 2 and time.monotonic() < end_s:
            await asyncio.sleep(IDLE_CHECK_S)
            stats = self.engine.stats()
            quiet = 0 if stats.running_requests or stats.waiting_requests else quiet + 1
