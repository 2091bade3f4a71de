"""What a coordinator believes of its workers, and what they are to serve: decisions without a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.coordinator.access import ANYBODY, Access
from novacron_serving.coordinator.assignments import KEPT_S, Assignments
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.database import Store
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.workers import Worker, Workers, WorkerStatus
from novacron_serving.errors import RequestError

CONFIG = CoordinatorConfig(lost_after_s=5, forget_after_s=600, report_interval_s=1)
LONG = {"messages": [{"role": "user", "content": "Once upon a time " * 100}]}


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Asked:
    """A request that only remembers where it went."""

    abandoned = False

    def __init__(self) -> None:
        self.caller, self.model, self.prefix = ANYBODY, "", ()
        self.tried: set[str] = set()
        self.waits_since_s = self.first_byte_by_s = 0.0
        self.worker: Any = None
        self.refused: RequestError | None = None

    def start(self, worker: Worker) -> None:
        self.worker = worker

    def refuse(self, error: RequestError) -> None:
        self.refused = error


class Cluster:
    """Workers, and the gate that sends to them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.workers = Workers(CONFIG, "token")
        self.gate = Gate(CONFIG, self.workers, Access((), needs_key=False), Metrics())

    def register(
        self, worker_id: str, incarnation: str = "1", *, model: str = "m", port: int = 1, **more: str
    ) -> Worker:
        self.workers.register(
            worker_id=worker_id, address=f"127.0.0.1:{port}", model_id=model, engine="", model_digest="",
            max_concurrent_requests=8, max_context_tokens=1, kv_cache_capacity_tokens=0, incarnation=incarnation,
            **more,
        )  # fmt: skip
        worker = self.workers.get(worker_id)
        assert worker is not None
        return worker

    def ask(self, model: str = "m") -> Worker:
        asked = Asked()
        self.gate.admit(asked, LONG | {"model": model}, None)
        return asked.worker

    def refused(self, model: str) -> RequestError:
        with pytest.raises(RequestError) as caught:
            self.ask(model)
        return caught.value

    def after(self, seconds: float, *reporting: Worker) -> None:
        """Time passes, in which these report."""
        self.clock.now_s += seconds
        for worker in reporting:
            worker.reported(0)
        self.gate.tick()

    def held(self) -> int:
        """Blocks of prompts that the router takes to be cached somewhere."""
        gate: Any = self.gate
        return sum(len(router._holders) for router in gate._routers.values())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("workers", "gate", "assignments", "upstream"):
        monkeypatch.setattr(f"novacron_serving.coordinator.{module}.time.monotonic", clock)
    return clock


@pytest.fixture
def cluster(clock: Clock) -> Cluster:
    return Cluster(clock)


def test_a_worker_that_registers_again_as_it_was_keeps_its_cache_and_its_requests(cluster: Cluster) -> None:
    worker = cluster.register("a")
    assert cluster.ask() is worker
    worker.draining = True
    assert cluster.register("a") is worker
    assert (worker.in_flight, worker.draining) == (1, False)
    assert cluster.held()
    assert cluster.ask() is worker


@pytest.mark.parametrize("incarnation", ["2", ""], ids=["says so", "does not say"])
def test_a_new_process_begins_anew(cluster: Cluster, incarnation: str) -> None:
    before = cluster.register("a")
    cluster.ask()
    for _ in range(3):
        before.failed(at_once=True)
    assert cluster.workers.status(before) is WorkerStatus.FAILED
    after = cluster.register("a", incarnation, port=2)
    assert not cluster.held(), "what the old process had cached is forgotten"
    assert cluster.workers.status(after) is WorkerStatus.ACTIVE
    assert (after.rests, after.in_flight, after.slot, after.address) == (0, 0, before.slot, "127.0.0.1:2")
    assert cluster.ask() is after
    before.left()  # the request that the old process had
    assert after.in_flight == 1


def test_another_model_is_another_cache(cluster: Cluster) -> None:
    cluster.register("a")
    cluster.register("b")
    first = cluster.ask()
    cluster.register(first.worker_id, "2", model="n")
    assert not cluster.held()
    assert cluster.ask("m") is not cluster.ask("n")


def test_a_silent_worker_is_lost_then_forgotten_and_its_slot_is_anothers(cluster: Cluster) -> None:
    one = cluster.register("a")
    cluster.ask()
    cluster.after(4)
    assert cluster.workers.status(one) is WorkerStatus.ACTIVE
    cluster.after(2)
    assert cluster.workers.status(one) is WorkerStatus.LOST
    assert cluster.refused("m").status == 503
    assert cluster.held(), "it may come back with its cache"
    other = cluster.register("b")
    assert other.slot != one.slot
    cluster.after(590, other)
    assert [worker.worker_id for worker in cluster.workers.all()] == ["a", "b"]
    cluster.after(5, other)
    assert [worker.worker_id for worker in cluster.workers.all()] == ["b"]
    assert not cluster.held()
    third = cluster.register("c")
    assert third.slot == one.slot
    assert cluster.register("a").slot not in {other.slot, third.slot}


def test_a_lost_worker_that_reports_again_is_active_and_has_its_cache(cluster: Cluster) -> None:
    worker = cluster.register("a")
    cluster.ask()
    cluster.after(30)
    assert cluster.workers.status(worker) is WorkerStatus.LOST
    cluster.after(1, worker)
    assert cluster.ask() is worker
    assert cluster.held()


def test_a_worker_that_drained_leaves_when_it_says_so_or_falls_silent(cluster: Cluster) -> None:
    says, silent = cluster.register("says"), cluster.register("silent")
    says.draining = silent.draining = True
    cluster.workers.left(says)
    assert cluster.workers.all() == [silent]
    cluster.after(6)
    assert cluster.workers.all() == []


def test_what_an_earlier_process_says_is_not_held_against_its_successor(cluster: Cluster) -> None:
    cluster.register("a", "1")
    later = cluster.register("a", "2")
    assert cluster.workers.get("a", "1") is None
    assert cluster.workers.get("a", "2") is cluster.workers.get("a") is later


def test_no_such_model_is_404_and_one_that_nobody_serves_now_is_503(cluster: Cluster) -> None:
    assert cluster.refused("m").status == 503, "no worker has registered yet"
    worker = cluster.register("a")
    early = cluster.refused("unknown")
    assert (early.status, early.code) == (503, "overloaded"), "its worker may be about to register"
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
    assert cluster.refused("m").status == 404, "its last worker is long gone"


# assignments


def store_of(folder: Path) -> Store:
    store = Store(f"sqlite:///{folder}/shared.db")
    store.migrate()
    return store


def test_an_assignment_is_pending_until_its_worker_serves_it_and_again_for_its_next_process(cluster: Cluster) -> None:
    worker, assignments = cluster.register("a"), Assignments(None)
    assert assignments.pending(worker) is None
    assert asyncio.run(assignments.give([worker], model_id="n", store_url="file:///n", digest="d"))
    given = assignments.pending(worker)
    assert given is not None
    assert given.model_id == "n"
    loaded = cluster.register("a", "2", model="n", assignment_id=given.assignment_id)
    assert assignments.given(loaded) is None
    assert assignments.pending(cluster.register("a", "3")) == given, "started again, it is told again"
    loaded = cluster.register("a", "4", model="n", assignment_id=given.assignment_id)
    asyncio.run(assignments.give([loaded]))
    back = assignments.pending(loaded)
    assert back is not None
    assert (back.model_id, back.revision > given.revision) == ("", True)
    assert assignments.pending(cluster.register("a", "5")) is None, "it serves what it was started with"


def test_a_worker_that_could_not_is_not_told_again(cluster: Cluster) -> None:
    worker, assignments = cluster.register("a"), Assignments(None)
    asyncio.run(assignments.give([worker], model_id="n"))
    given = assignments.given(worker)
    assert given is not None
    worker.failed_assignment_id, worker.failure = given.assignment_id, "the disk is full"
    assert (assignments.pending(worker), assignments.failure(worker)) == (None, "the disk is full")
    asyncio.run(assignments.give([worker], model_id="n"))
    assert assignments.pending(worker) is not None, "asked for once more, it tries once more"


def test_coordinators_that_assign_at_the_same_time_do_not_undo_each_other(cluster: Cluster, tmp_path: Path) -> None:
    store = store_of(tmp_path)
    one, two = Assignments(store), Assignments(store)
    a, b = cluster.register("a"), cluster.register("b")

    async def run() -> None:
        assert await one.give([a], model_id="n")
        assert not await two.give([a, b], model_id="o"), "it does not know of that yet"
        assert [given.model_id for given in store.assignments()] == ["n"]
        await two.read()
        assert await two.give([a, b], model_id="o")
        assert not await one.give([b], model_id="p")
        await one.read()
        assert one.given(a) == two.given(a)
        assert one.given(b) == two.given(b)
        await Assignments(store).read()

    asyncio.run(run())
    assert {given.worker_id: given.model_id for given in store.assignments()} == {"a": "o", "b": "o"}
    store.close()


def test_assignments_of_workers_that_are_gone_for_a_day_are_dropped(
    cluster: Cluster, clock: Clock, tmp_path: Path
) -> None:
    store = store_of(tmp_path)
    assignments = Assignments(store)

    async def run() -> None:
        await assignments.give([cluster.register("a"), cluster.register("b")], model_id="n")
        for present in (["a"], ["a", "b"], ["a"]):
            await assignments.forget(present)
            clock.now_s += KEPT_S - 1
            await assignments.forget(present)
            assert len(store.assignments()) == 2
        clock.now_s += 2
        await assignments.forget(["a"])

    asyncio.run(run())
    assert [given.worker_id for given in store.assignments()] == ["a"]
    store.close()
