"""Which worker is to serve which model from now on. Each worker is told in the answer to its report."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Assignment:
    """One worker's next model."""

    model_id: str = ""
    """Empty: the one that the worker was started with."""
    store_url: str = ""
    digest: str = ""
    failure: str = ""
    """Why the worker could not; it serves what it served before."""
    assignment_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Assignments:
    """By worker; of each the last that is not fulfilled. They live as long as this coordinator."""

    def __init__(self) -> None:
        self._of: dict[str, Assignment] = {}

    def give(self, worker_id: str, assignment: Assignment) -> None:
        """In place of an earlier one."""
        self._of[worker_id] = assignment

    def of(self, worker_id: str) -> Assignment | None:
        """What a worker was given and has not fulfilled; it may have failed."""
        return self._of.get(worker_id)

    def pending(self, worker_id: str) -> Assignment | None:
        """What a worker is still to do."""
        given = self._of.get(worker_id)
        return None if given is None or given.failure else given

    def fulfilled(self, worker_id: str, assignment_id: str) -> None:
        """The worker serves it."""
        if (given := self._of.get(worker_id)) is not None and given.assignment_id == assignment_id:
            del self._of[worker_id]

    def failed(self, worker_id: str, assignment_id: str, failure: str) -> None:
        """The worker could not."""
        if (given := self._of.get(worker_id)) is not None and given.assignment_id == assignment_id:
            given.failure = failure
