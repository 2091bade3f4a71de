"""The queue of a model: by priority, then one request of each principal in turn, then in order of arrival."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

from novacron_serving.coordinator.limits.authentication import Principal


class Queueable(Protocol):
    """An item of a queue."""

    @property
    def principal(self) -> Principal:
        """The sender. Its priority orders the queue."""
        ...

    @property
    def abandoned(self) -> bool:
        """Whether the client has disconnected. The queue then drops the item."""
        ...


Item = TypeVar("Item", bound=Queueable)


class FairQueue(Generic[Item]):
    """A priority queue in which no principal can delay the others of its priority."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[Principal, deque[Item]]] = {}

    def push(self, item: Item) -> None:
        """Add an item behind the others of its principal."""
        principal = item.principal
        self._levels.setdefault(principal.priority, OrderedDict()).setdefault(principal, deque()).append(item)

    def push_first(self, item: Item) -> None:
        """Return an item that was popped but could not be served: it is the next of its priority."""
        principal = item.principal
        level = self._levels.setdefault(principal.priority, OrderedDict())
        level.setdefault(principal, deque()).appendleft(item)
        level.move_to_end(principal, last=False)

    def pop(self) -> Item | None:
        """Remove and return the next item; None: the queue is empty."""
        for priority in sorted(self._levels, reverse=True):
            level = self._levels[priority]
            while level:
                principal, queue = level.popitem(last=False)
                while queue and queue[0].abandoned:
                    queue.popleft()
                if queue:
                    item = queue.popleft()
                    if queue:
                        level[principal] = queue  # behind the other principals
                    return item
            del self._levels[priority]
        return None
