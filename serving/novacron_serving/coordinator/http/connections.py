"""All connections of clients: how many there may be, and how long each may wait."""

from __future__ import annotations

import resource
from typing import Protocol

_RESERVED_FILES = 64
"""For listeners, the database, Redis, logs and gRPC."""


class Connection(Protocol):
    """A connection of a client."""

    @property
    def idle_since_s(self) -> float | None:
        """Since when it waits for a request; None: it has one."""
        ...

    def end_overdue_wait(self, now_s: float) -> None:
        """Close the connection if the client has kept it waiting for too long."""
        ...

    def drop(self) -> None:
        """Close the connection at once."""
        ...


def max_connections() -> int:
    """Return half of the files that this process may open: each request needs one more, to its worker."""
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVED_FILES) // 2)


class ClientConnections:
    """The open connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Add a connection. At the limit, the one that has been idle for longest makes room, or this one is dropped."""
        if len(self._open) >= self._limit:
            idle = [(since_s, one) for one in self._open if (since_s := one.idle_since_s) is not None]
            if not idle:
                connection.drop()
                return
            longest = min(idle, key=lambda pair: pair[0])[1]
            self.remove(longest)
            longest.drop()
        self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._open.pop(connection, None)

    def tick(self, now_s: float) -> None:
        """Close connections whose client is too slow. `now_s` is monotonic time."""
        for connection in list(self._open):
            connection.end_overdue_wait(now_s)
