"""The scheduler's view of a request: what it has to know of it, and where the request is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from novacron_serving.coordinator.limits.authentication import Principal
from novacron_serving.coordinator.scheduling.disaggregated import Disaggregated
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.errors import RequestError


@dataclass(slots=True, eq=False)
class Admission:
    """Where an admitted request is. All times are monotonic, in seconds."""

    model: str = ""
    prefix: tuple[int, ...] = ()
    """The blocks of its prompt, see `routing.prefix_blocks`."""
    tried: set[str] = field(default_factory=set[str])
    """Ids of the workers that it was sent to."""
    attempts: int = 0
    """How often it was dispatched to a worker, or to a pair of workers."""
    worker: Worker | None = None
    """The worker of which it holds a slot."""
    paused: bool = False
    """Whether the client does not read, so that the worker has to wait."""
    queued_at_s: float = 0.0
    first_byte_deadline_s: float = 0.0
    last_data_s: float = 0.0
    """When its worker has sent something, or was sent the request."""
    disaggregated: Disaggregated | None = None


class PendingRequest(Protocol):
    """A request that the scheduler admits and dispatches."""

    admission: Admission
    body: bytes | bytearray
    principal: Principal

    @property
    def abandoned(self) -> bool:
        """Whether the request is over: it has its response, or the client has disconnected."""
        ...

    def dispatch(self, worker: Worker) -> None:
        """Send it to a worker, of which it now holds a slot."""
        ...

    def lose_worker(self, reason: str) -> None:
        """Give up its worker: try another one, or end the response if the client has a part of it."""
        ...

    def reject(self, error: RequestError) -> None:
        """Respond with an error."""
        ...
