"""Who waits, and in which order they go on: by priority, and among equals one request of each key in turn."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

from novacron_serving.coordinator.access import Caller


class Waiting(Protocol):
    """What waits."""

    @property
    def caller(self) -> Caller:
        """Whose it is."""
        ...

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more: it is passed over."""
        ...


W = TypeVar("W", bound=Waiting)


class FairQueue(Generic[W]):
    """First by priority, then each key in turn, then in order of arrival."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[Caller, deque[W]]] = {}

    def put(self, item: W) -> None:
        """The last of its key."""
        caller = item.caller
        self._levels.setdefault(caller.priority, OrderedDict()).setdefault(caller, deque()).append(item)

    def put_back(self, item: W) -> None:
        """The first of all of its priority: it was taken, and could not go on."""
        caller = item.caller
        level = self._levels.setdefault(caller.priority, OrderedDict())
        level.setdefault(caller, deque()).appendleft(item)
        level.move_to_end(caller, last=False)

    def take(self) -> W | None:
        """The next; None: nobody waits."""
        for priority in sorted(self._levels, reverse=True):
            level = self._levels[priority]
            while level:
                caller, queue = level.popitem(last=False)
                while queue and queue[0].abandoned:
                    queue.popleft()
                if queue:
                    item = queue.popleft()
                    if queue:
                        level[caller] = queue  # behind the other keys
                    return item
            del self._levels[priority]
        return None
