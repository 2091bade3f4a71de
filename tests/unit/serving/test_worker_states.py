"""Worker states, and the errors for models without an active worker."""

from __future__ import annotations

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.workers.workers import WorkerStatus

from .cluster import Cluster


def test_worker_that_registers_again_keeps_its_cache_and_its_requests(cluster: Cluster) -> None:
    worker = cluster.register("a")
    assert cluster.ask() is worker
    worker.draining = True
    assert cluster.register("a") is worker
    assert (worker.in_flight, worker.draining) == (1, False)
    assert cluster.cached_blocks()
    assert cluster.ask() is worker


@pytest.mark.parametrize("incarnation", ["2", ""], ids=["new incarnation", "no incarnation"])
def test_new_worker_process_starts_without_cache_or_failures(
    cluster: Cluster, clock: ManualClock, incarnation: str
) -> None:
    before = cluster.register("a")
    cluster.ask()
    for _ in range(3):
        before.record_failure(clock.monotonic(), eject=True)
    assert cluster.workers.status(before) is WorkerStatus.FAILED
    after = cluster.register("a", incarnation, port=2)
    assert not cluster.cached_blocks(), "the cache of the old process is forgotten"
    assert cluster.workers.status(after) is WorkerStatus.ACTIVE
    assert (after.ejections, after.in_flight, after.index_bit, after.address) == (0, 0, before.index_bit, "127.0.0.1:2")
    assert cluster.ask() is after
    before.free_slot()  # the request that the old process had
    assert after.in_flight == 1


def test_worker_with_another_model_has_lost_its_cache(cluster: Cluster) -> None:
    cluster.register("a")
    cluster.register("b")
    first = cluster.ask()
    cluster.register(first.worker_id, "2", model="n")
    assert not cluster.cached_blocks()
    assert cluster.ask("m") is not cluster.ask("n")


def test_silent_worker_is_lost_then_removed_and_its_index_bit_is_reused(cluster: Cluster) -> None:
    one = cluster.register("a")
    cluster.ask()
    cluster.after(4)
    assert cluster.workers.status(one) is WorkerStatus.ACTIVE
    cluster.after(2)
    assert cluster.workers.status(one) is WorkerStatus.LOST
    assert cluster.refused("m").status == 503
    assert cluster.cached_blocks(), "it may come back with its cache"
    other = cluster.register("b")
    assert other.index_bit != one.index_bit
    cluster.after(590, other)
    assert [worker.worker_id for worker in cluster.workers.all()] == ["a", "b"]
    cluster.after(5, other)
    assert [worker.worker_id for worker in cluster.workers.all()] == ["b"]
    assert not cluster.cached_blocks()
    third = cluster.register("c")
    assert third.index_bit == one.index_bit
    assert cluster.register("a").index_bit not in {other.index_bit, third.index_bit}


def test_lost_worker_that_reports_again_is_active_with_its_cache(cluster: Cluster) -> None:
    worker = cluster.register("a")
    cluster.ask()
    cluster.after(30)
    assert cluster.workers.status(worker) is WorkerStatus.LOST
    cluster.after(1, worker)
    assert cluster.ask() is worker
    assert cluster.cached_blocks()


def test_draining_worker_is_removed_when_it_leaves_or_is_lost(cluster: Cluster) -> None:
    leaving, silent = cluster.register("leaving"), cluster.register("silent")
    leaving.draining = silent.draining = True
    cluster.workers.remove(leaving)
    assert cluster.workers.all() == [silent]
    cluster.after(6)
    assert cluster.workers.all() == []


def test_reports_of_an_earlier_worker_process_are_ignored(cluster: Cluster) -> None:
    cluster.register("a", "1")
    later = cluster.register("a", "2")
    assert cluster.workers.get("a", "1") is None
    assert cluster.workers.get("a", "2") is cluster.workers.get("a") is later


def test_unknown_model_is_404_and_model_without_active_worker_is_503(cluster: Cluster) -> None:
    assert cluster.refused("m").status == 503, "no worker has registered yet"
    worker = cluster.register("a")
    early = cluster.refused("unknown")
    assert (early.status, early.code) == (503, "overloaded"), "its worker may register soon"
    cluster.after(3, worker)
    unknown = cluster.refused("unknown")
    assert (unknown.status, unknown.code, unknown.headers) == (404, "model_not_found", {})
    cluster.workers.registered = frozenset({"registered"})
    unloaded = cluster.refused("registered")
    assert (unloaded.status, unloaded.code, unloaded.headers) == (503, "model_not_loaded", {"retry-after": "10"})
    assert "POST /api/v1/llm/models/registered/load" in str(unloaded)
    cluster.after(10)
    lost = cluster.refused("m")
    assert (lost.status, lost.code, lost.headers) == (503, "overloaded", {"retry-after": "1"})
    assert cluster.workers.models() == []
    other = cluster.register("b", model="n")
    cluster.after(600, other)
    assert cluster.refused("m").status == 404, "its last worker has been removed"


def test_ejection_time_of_a_failing_worker_doubles_until_a_response_succeeds(
    cluster: Cluster, clock: ManualClock
) -> None:
    worker = cluster.register("a")
    ejections: list[float] = []
    for _ in range(8):
        cluster.scheduler.record_failure(worker, eject=True)
        ejections.append(worker.ejected_until_s - clock.monotonic())
        assert cluster.workers.status(worker) is WorkerStatus.FAILED
        assert cluster.workers.models() == []
        clock.advance(ejections[-1])
        worker.record_report(clock.monotonic(), 0)
        assert cluster.workers.status(worker) is WorkerStatus.ACTIVE
    assert ejections == [0.5, 1, 2, 4, 8, 16, 30, 30]
    worker.record_success()
    for _ in range(4):
        cluster.scheduler.record_failure(worker, eject=False)
    assert cluster.workers.status(worker) is WorkerStatus.ACTIVE
    cluster.scheduler.record_failure(worker, eject=False)
    assert worker.ejected_until_s - clock.monotonic() == 0.5
