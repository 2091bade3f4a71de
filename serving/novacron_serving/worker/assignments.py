"""The models that coordinators assign to a worker.

Every coordinator repeats the assignment it knows of in each response to a report. The worker follows the one with the
highest revision and ignores older ones, which coordinators may still hold.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from novacron_serving.errors import StartError
from novacron_serving.protocol import worker_pb2
from novacron_serving.worker.served import ServedModel

Switch = Callable[[str, str, str, Callable[[], Awaitable[None]]], Awaitable[None]]
"""`Loader.switch`."""

log = logging.getLogger(__name__)


class AssignmentFollower:
    """Switches the worker to the assigned model and remembers how that went."""

    def __init__(self, served: ServedModel, switch: Switch) -> None:
        self._served = served
        self._switch = switch
        self._revision = 0
        self._last_id = ""
        self._failure = ""
        self._task: asyncio.Task[None] | None = None
        self.fulfilled_id = ""
        """The assignment whose model is served. Empty: the worker serves the model of its configuration."""
        self.incarnation = uuid.uuid4().hex
        """Changes whenever the engine's cache is lost."""
        self.version = 0
        """Changes whenever the worker has to register again."""

    @property
    def failed(self) -> tuple[str, str]:
        """The assignment that could not be fulfilled and the reason, or two empty texts."""
        return (self._last_id, self._failure) if self._failure else ("", "")

    def follow(
        self, assignment: worker_pb2.Assignment, *, pause: Callable[[], Awaitable[None]], resume: Callable[[], None]
    ) -> asyncio.Task[None] | None:
        """Start switching, if the assignment is newer than the last one and no switch is in progress.

        Args:
            assignment: as a coordinator sent it.
            pause: makes the coordinators send no more requests.
            resume: called when a model is served again.

        Returns:
            The task of the switch. It raises `StartError` when the worker is left without a model.
        """
        if not assignment.id or assignment.revision <= self._revision or self._task is not None:
            return None
        self._last_id, self._revision, self._failure = assignment.id, assignment.revision, ""
        self._task = asyncio.create_task(self._run(assignment, pause, resume))
        return self._task

    async def _run(
        self, assignment: worker_pb2.Assignment, pause: Callable[[], Awaitable[None]], resume: Callable[[], None]
    ) -> None:
        engine = self._served.engine
        try:
            await self._switch(assignment.model_id, assignment.store_url, assignment.model_digest, pause)
            self.fulfilled_id = assignment.id
        except StartError as error:
            if not self._served.ready:
                raise
            log.warning("still serving %s: %s", self._served.model_id, error)
            self._failure = str(error)
        if self._served.engine is not engine:
            self.incarnation = uuid.uuid4().hex
        resume()
        self.version += 1
        self._task = None
