"""Which worker is to serve which model from now on. Each worker is told in the answers to its reports.

With a database all coordinators know every assignment, and it lasts: a worker that is started again is told again.
Without one this coordinator alone knows them, for as long as it lives.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from novacron_serving.coordinator.database import Store
    from novacron_serving.coordinator.workers import Worker

KEPT_S = 86_400.0
"""A worker that was not seen for a day is not waited for any more."""


class Assignment(BaseModel):
    """One worker's model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    worker_id: str
    revision: int
    """Higher than that of every earlier one, of any worker: about the milliseconds since 1970."""
    model_id: str = ""
    """Empty: the one that the worker was started with."""
    store_url: str = ""
    digest: str = ""
    assignment_id: str = Field(default_factory=lambda: uuid.uuid4().hex)


class Assignments:
    """The last of each worker. What is asked is in memory: nothing here waits, but for what is `async`."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._of: dict[str, Assignment] = {}
        self._missed_since_s: dict[str, float] = {}
        self.deciding = asyncio.Lock()
        """Held from `read` to `give`, so that what was counted in between stays so."""

    def given(self, worker: Worker) -> Assignment | None:
        """What a worker was given and does not serve; it may have failed."""
        given = self._of.get(worker.worker_id)
        if given is None or worker.assignment_id == given.assignment_id:
            return None
        return given if given.model_id or worker.assignment_id else None

    def failure(self, worker: Worker) -> str:
        """Why a worker does not serve what it was given; empty: it is at it."""
        given = self._of.get(worker.worker_id)
        return worker.failure if given and worker.failed_assignment_id == given.assignment_id else ""

    def pending(self, worker: Worker) -> Assignment | None:
        """What a worker is still to do."""
        return None if self.failure(worker) else self.given(worker)

    async def read(self) -> None:
        """Learn what other coordinators gave. Raises `DatabaseGoneError`."""
        if self._store is not None:
            known = await asyncio.to_thread(self._store.assignments)
            self._of = {one.worker_id: one for one in known}

    async def give(
        self, workers: Collection[Worker], *, model_id: str = "", store_url: str = "", digest: str = ""
    ) -> bool:
        """Assign a model to workers, in place of what they were given before.

        Returns:
            Whether it was; not when another coordinator was quicker: then read, and decide again.

        Raises:
            DatabaseGoneError: nothing was assigned.
        """
        latest = max((one.revision for one in self._of.values()), default=0)
        revision = max(latest + 1, time.time_ns() // 1_000_000)
        given = [
            Assignment(
                worker_id=worker.worker_id, revision=revision, model_id=model_id, store_url=store_url, digest=digest
            )
            for worker in workers
        ]
        if given and self._store is not None and not await asyncio.to_thread(self._store.assign, given, latest):
            return False
        self._of.update({one.worker_id: one for one in given})
        return True

    async def forget(self, present: Collection[str]) -> None:
        """Drop the assignments of workers that have not been here for a day. Raises `DatabaseGoneError`."""
        now = time.monotonic()
        self._missed_since_s = {
            worker_id: self._missed_since_s.get(worker_id, now) for worker_id in self._of if worker_id not in present
        }
        for worker_id, since_s in self._missed_since_s.items():
            if now - since_s > KEPT_S:
                if self._store is not None:
                    await asyncio.to_thread(self._store.remove_assignment, worker_id)
                self._of.pop(worker_id, None)
