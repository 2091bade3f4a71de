"""Assignments: which model each worker is to serve. Workers receive them in the responses to their reports.

With a database, all coordinators know every assignment and it survives restarts: a restarted worker receives its
assignment again. Without one, an assignment is known to this coordinator only, until it stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.registry.database import Store
from novacron_serving.coordinator.registry.records import Assignment
from novacron_serving.coordinator.workers.workers import Worker

DROP_AFTER_S = 86_400.0
"""An assignment is dropped when its worker has been away for this long."""


class Assignments:
    """The latest assignment of each worker, in memory. Only the `async` methods use the database."""

    def __init__(self, store: Store | None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._clock = clock
        self._latest: dict[str, Assignment] = {}
        self._missing_since_s: dict[str, float] = {}
        self.lock = asyncio.Lock()
        """Held from `refresh` to `assign`, so that decisions in between stay valid."""

    def unfulfilled(self, worker: Worker) -> Assignment | None:
        """Return the assignment that a worker does not serve, including one that it could not load."""
        latest = self._latest.get(worker.worker_id)
        if latest is None or worker.assignment_id == latest.assignment_id:
            return None
        return latest if latest.model_id or worker.assignment_id else None

    def failure(self, worker: Worker) -> str:
        """Return why a worker could not load its assignment; empty: it has not failed."""
        latest = self._latest.get(worker.worker_id)
        return worker.failure if latest and worker.failed_assignment_id == latest.assignment_id else ""

    def pending(self, worker: Worker) -> Assignment | None:
        """Return the assignment that a worker still has to load."""
        return None if self.failure(worker) else self.unfulfilled(worker)

    async def refresh(self) -> None:
        """Read the assignments that other coordinators have made.

        Raises:
            DatabaseUnavailableError: the database is unavailable.
        """
        if self._store is not None:
            stored = await asyncio.to_thread(self._store.assignments)
            self._latest = {one.worker_id: one for one in stored}

    async def assign(
        self, workers: Collection[Worker], *, model_id: str = "", store_url: str = "", digest: str = ""
    ) -> bool:
        """Assign a model to workers, in place of their earlier assignments.

        Returns:
            False: another coordinator was faster and nothing was assigned. Refresh and decide again.

        Raises:
            DatabaseUnavailableError: the database is unavailable, and nothing was assigned.
        """
        latest = max((one.revision for one in self._latest.values()), default=0)
        revision = max(latest + 1, int(self._clock.time() * 1000))
        made = [
            Assignment(
                worker_id=worker.worker_id, revision=revision, model_id=model_id, store_url=store_url, digest=digest
            )
            for worker in workers
        ]
        if made and self._store is not None and not await asyncio.to_thread(self._store.assign, made, latest):
            return False
        self._latest.update({one.worker_id: one for one in made})
        return True

    async def drop_stale(self, present: Collection[str]) -> None:
        """Drop the assignments of workers that have been away for a day.

        Args:
            present: ids of the workers that are there.

        Raises:
            DatabaseUnavailableError: the database is unavailable.
        """
        now = self._clock.monotonic()
        self._missing_since_s = {
            worker_id: self._missing_since_s.get(worker_id, now)
            for worker_id in self._latest
            if worker_id not in present
        }
        for worker_id, since_s in self._missing_since_s.items():
            if now - since_s > DROP_AFTER_S:
                if self._store is not None:
                    await asyncio.to_thread(self._store.remove_assignment, worker_id)
                self._latest.pop(worker_id, None)
