"""Assignments of models to workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.registry.assignments import DROP_AFTER_S, Assignments
from novacron_serving.coordinator.registry.database import Store

from .cluster import Cluster


def store_of(folder: Path) -> Store:
    store = Store(f"sqlite:///{folder}/shared.db")
    store.migrate()
    return store


def test_assignment_is_pending_until_its_worker_serves_it_and_again_after_a_restart(cluster: Cluster) -> None:
    worker, assignments = cluster.register("a"), Assignments(None)
    assert assignments.pending(worker) is None
    assert asyncio.run(assignments.assign([worker], model_id="n", store_url="file:///n", digest="d"))
    given = assignments.pending(worker)
    assert given is not None
    assert given.model_id == "n"
    loaded = cluster.register("a", "2", model="n", assignment_id=given.assignment_id)
    assert assignments.unfulfilled(loaded) is None
    assert assignments.pending(cluster.register("a", "3")) == given, "a restarted worker gets its assignment again"
    loaded = cluster.register("a", "4", model="n", assignment_id=given.assignment_id)
    asyncio.run(assignments.assign([loaded]))
    back = assignments.pending(loaded)
    assert back is not None
    assert (back.model_id, back.revision > given.revision) == ("", True)
    assert assignments.pending(cluster.register("a", "5")) is None, "it serves the model that it was started with"


def test_failed_assignment_is_not_pending_until_it_is_made_again(cluster: Cluster) -> None:
    worker, assignments = cluster.register("a"), Assignments(None)
    asyncio.run(assignments.assign([worker], model_id="n"))
    given = assignments.unfulfilled(worker)
    assert given is not None
    worker.failed_assignment_id, worker.failure = given.assignment_id, "the disk is full"
    assert (assignments.pending(worker), assignments.failure(worker)) == (None, "the disk is full")
    asyncio.run(assignments.assign([worker], model_id="n"))
    assert assignments.pending(worker) is not None, "a new assignment is tried again"


def test_coordinators_that_assign_at_the_same_time_detect_each_other(cluster: Cluster, tmp_path: Path) -> None:
    store = store_of(tmp_path)
    one, two = Assignments(store), Assignments(store)
    a, b = cluster.register("a"), cluster.register("b")

    async def run() -> None:
        assert await one.assign([a], model_id="n")
        assert not await two.assign([a, b], model_id="o"), "it does not know the first assignment yet"
        assert [given.model_id for given in store.assignments()] == ["n"]
        await two.refresh()
        assert await two.assign([a, b], model_id="o")
        assert not await one.assign([b], model_id="p")
        await one.refresh()
        assert one.unfulfilled(a) == two.unfulfilled(a)
        assert one.unfulfilled(b) == two.unfulfilled(b)
        await Assignments(store).refresh()

    asyncio.run(run())
    assert {given.worker_id: given.model_id for given in store.assignments()} == {"a": "o", "b": "o"}
    store.close()


def test_assignment_is_dropped_when_its_worker_is_away_for_a_day(
    cluster: Cluster, clock: ManualClock, tmp_path: Path
) -> None:
    store = store_of(tmp_path)
    assignments = Assignments(store, clock)

    async def run() -> None:
        await assignments.assign([cluster.register("a"), cluster.register("b")], model_id="n")
        for present in (["a"], ["a", "b"], ["a"]):
            await assignments.drop_stale(present)
            clock.advance(DROP_AFTER_S - 1)
            await assignments.drop_stale(present)
            assert len(store.assignments()) == 2
        clock.advance(2)
        await assignments.drop_stale(["a"])

    asyncio.run(run())
    assert [given.worker_id for given in store.assignments()] == ["a"]
    store.close()
