"""Background tasks of a coordinator: worker timeouts, shared data, shared rate limits, and certificates.

Without its database or Redis, a coordinator continues with cached data. `degraded` tells which one is unavailable, and
`/ready` shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.limits.authentication import ApiKey, Authenticator
from novacron_serving.coordinator.limits.rate_limits import SharedRateLimits
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.database import DatabaseUnavailableError, Store
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Workers

TICK_S = 0.25
STALL_S = 2.0
"""A tick that comes this late: the coordinator itself was stopped, and has read no reports in the meantime."""
CONNECTIONS_S = 1.0
KEYS_S = 5.0
MODELS_S = 1.0
RATE_LIMITS_S = 1.0
CERTIFICATE_S = 5.0

log = logging.getLogger(__name__)


class BackgroundTasks:
    """The tasks, and what they could not reach."""

    def __init__(
        self,
        scheduler: Scheduler,
        authenticator: Authenticator,
        configured_keys: tuple[ApiKey, ...],
        store: Store | None,
        rate_limits: SharedRateLimits | None,
        workers: Workers,
        assignments: Assignments,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.degraded: dict[str, str] = {}
        """Services that are unavailable, each with the reason."""
        self._scheduler = scheduler
        self._authenticator = authenticator
        self._configured_keys = configured_keys
        self._store = store
        self._rate_limits = rate_limits
        self._workers = workers
        self._assignments = assignments
        self._clock = clock
        self._migrated = False
        self._ticked_s = clock.monotonic()

    async def run(self, renew_certificate: Callable[[], None], close_slow_connections: Callable[[float], None]) -> None:
        """Run the tasks until cancelled.

        Args:
            renew_certificate: reloads certificates whose files have changed.
            close_slow_connections: closes connections of clients that are too slow, given the monotonic time.
        """

        async def certificate() -> None:
            renew_certificate()

        async def connections() -> None:
            close_slow_connections(self._clock.monotonic())

        self._ticked_s = self._clock.monotonic()
        tasks = [
            self._every(TICK_S, self._tick),
            self._every(CONNECTIONS_S, connections),
            self._every(CERTIFICATE_S, certificate),
        ]
        if self._store is not None:
            tasks += [self._every(KEYS_S, self.refresh_keys), self._every(MODELS_S, self.refresh_models)]
        if self._rate_limits is not None:
            tasks.append(self._every(RATE_LIMITS_S, self._sync_rate_limits))
        await asyncio.gather(*tasks)

    async def _every(self, interval_s: float, task: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(interval_s)
            await task()

    async def _tick(self) -> None:
        now = self._clock.monotonic()
        late_s, self._ticked_s = now - self._ticked_s, now
        if late_s > STALL_S:
            log.warning("the coordinator did not run for %.1f s", late_s)
            self._workers.excuse(late_s)
        self._scheduler.tick()

    async def refresh_keys(self) -> None:
        """Read the API keys of the database, in addition to the configured ones."""
        if self._store is None:
            return
        try:
            if not self._migrated:
                await asyncio.to_thread(self._store.migrate)
                self._migrated = True
            keys = await asyncio.to_thread(self._store.keys)
        except DatabaseUnavailableError as error:
            self._set_degraded("database", error.reason)
            return
        self._set_degraded("database", None)
        self._authenticator.set_keys((*self._configured_keys, *keys))

    async def refresh_models(self) -> None:
        """Read the registered models and the assignments."""
        if self._store is None or not self._migrated:
            return
        try:
            models = await asyncio.to_thread(self._store.models)
            async with self._assignments.lock:
                await self._assignments.refresh()
                await self._assignments.drop_stale([worker.worker_id for worker in self._workers.all()])
        except DatabaseUnavailableError as error:
            self._set_degraded("database", error.reason)
            return
        self._set_degraded("database", None)
        self._workers.registered = frozenset(model.id for model in models)

    async def _sync_rate_limits(self) -> None:
        assert self._rate_limits is not None  # noqa: S101 - `run` starts this task only with them
        try:
            await self._rate_limits.sync()
        except ConnectionError as error:
            self._set_degraded("redis", str(error))
        else:
            self._set_degraded("redis", None)

    def _set_degraded(self, service: str, reason: str | None) -> None:
        self._scheduler.metrics.set_dependency_up(service, up=reason is None)
        if reason is None:
            if self.degraded.pop(service, None) is not None:
                log.info("%s available again", service)
            return
        if service not in self.degraded:
            log.warning("%s unavailable, continuing with cached data: %s", service, reason)
        self.degraded[service] = reason

    async def close(self) -> None:
        """Close the connections."""
        if self._store is not None:
            self._store.close()
        if self._rate_limits is not None:
            with contextlib.suppress(OSError):
                await self._rate_limits.close()
