"""What a coordinator does besides answering: look who is lost, read again what coordinators share, tell of its rates.

Without its database or Redis it goes on with what it knows; `degraded` says so, and `/ready` shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from novacron_serving.coordinator.access import Access, ApiKey
from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.database import DatabaseGoneError, Store
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.rates import SharedRates
from novacron_serving.coordinator.workers import Workers

TICK_S = 0.25
KEYS_S = 5.0
MODELS_S = 1.0
RATES_S = 1.0
CERTIFICATE_S = 5.0

log = logging.getLogger(__name__)


class Upkeep:
    """The tasks, and what they miss."""

    def __init__(
        self,
        gate: Gate,
        access: Access,
        first_keys: tuple[ApiKey, ...],
        store: Store | None,
        rates: SharedRates | None,
        workers: Workers,
        assignments: Assignments,
    ) -> None:
        self.degraded: dict[str, str] = {}
        """What cannot be asked, and why; by name."""
        self._gate = gate
        self._access = access
        self._first_keys = first_keys
        self._store = store
        self._rates = rates
        self._workers = workers
        self._assignments = assignments
        self._migrated = False

    async def run(self, renew_certificate: Callable[[], None]) -> None:
        """Until it is cancelled."""

        async def certificate() -> None:
            renew_certificate()

        work = [self._every(TICK_S, self._tick), self._every(CERTIFICATE_S, certificate)]
        if self._store is not None:
            work += [self._every(KEYS_S, self.read_keys), self._every(MODELS_S, self.read_models)]
        if self._rates is not None:
            work.append(self._every(RATES_S, self._share_rates))
        await asyncio.gather(*work)

    @staticmethod
    async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await work()

    async def _tick(self) -> None:
        self._gate.tick()

    async def read_keys(self) -> None:
        """The keys of the database, beside those of the configuration."""
        if self._store is None:
            return
        try:
            if not self._migrated:
                await asyncio.to_thread(self._store.migrate)
                self._migrated = True
            keys = await asyncio.to_thread(self._store.keys)
        except DatabaseGoneError as error:
            self._note("database", error.reason)
            return
        self._note("database", None)
        self._access.replace((*self._first_keys, *keys))

    async def read_models(self) -> None:
        """Which models are registered, and which worker is to serve which."""
        if self._store is None or not self._migrated:
            return
        try:
            models = await asyncio.to_thread(self._store.models)
            async with self._assignments.deciding:
                await self._assignments.read()
                await self._assignments.forget([worker.worker_id for worker in self._workers.all()])
        except DatabaseGoneError as error:
            self._note("database", error.reason)
            return
        self._note("database", None)
        self._workers.registered = frozenset(model.id for model in models)

    async def _share_rates(self) -> None:
        assert self._rates is not None  # noqa: S101 - it would not run
        try:
            await self._rates.exchange()
        except ConnectionError as error:
            self._note("redis", str(error))
        else:
            self._note("redis", None)

    def _note(self, what: str, why: str | None) -> None:
        if why is not None and what not in self.degraded:
            log.warning("goes on without its %s: %s", what, why)
        elif why is None and what in self.degraded:
            log.info("has its %s again", what)
        if why is None:
            self.degraded.pop(what, None)
        else:
            self.degraded[what] = why

    async def close(self) -> None:
        """The connections."""
        if self._store is not None:
            self._store.close()
        if self._rates is not None:
            with contextlib.suppress(OSError):
                await self._rates.close()
