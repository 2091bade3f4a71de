"""The order in which queued requests are served."""

from __future__ import annotations

from novacron_serving.coordinator.limits.authentication import Principal, Role
from novacron_serving.coordinator.scheduling.fair_queue import FairQueue


class Item:
    def __init__(self, principal: Principal, name: str) -> None:
        self.principal, self.name, self.abandoned = principal, name, False


def drain(queue: FairQueue[Item]) -> list[str]:
    return [item.name for item in iter(queue.pop, None)]


def test_queue_orders_by_priority_then_principals_in_turn_then_arrival() -> None:
    many, few, first = (
        Principal(name, Role.USER, priority) for name, priority in (("many", 0), ("few", 0), ("first", 3))
    )
    queue: FairQueue[Item] = FairQueue()
    for principal, name in [(many, "m1"), (many, "m2"), (many, "m3"), (few, "f1"), (first, "p1"), (few, "f2")]:
        queue.push(Item(principal, name))
    assert drain(queue) == ["p1", "m1", "f1", "m2", "f2", "m3"]
    assert drain(queue) == []


def test_queue_drops_abandoned_items_and_returns_pushed_back_items_first() -> None:
    principal, other = Principal("one", Role.USER), Principal("two", Role.USER)
    queue: FairQueue[Item] = FairQueue()
    items = [Item(principal, "1"), Item(principal, "2"), Item(other, "3")]
    for item in items:
        queue.push(item)
    items[0].abandoned = True
    popped = queue.pop()
    assert popped is items[1]
    queue.push_first(popped)
    assert drain(queue) == ["2", "3"]
