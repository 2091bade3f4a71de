"""A worker registers over gRPC with every coordinator that a name resolves to, and follows changes of the name.

The coordinators share a port and have different loopback addresses, as behind a headless service. A test resolves the
name and moves the worker's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import grpc.aio
import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.registration import WorkersService
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Worker, Workers
from novacron_serving.engines import EngineStats
from novacron_serving.errors import StartError
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.worker.assignments import AssignmentFollower
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.registration import RETRY_S, Registration, resolve_addresses
from novacron_serving.worker.served import ServedModel
from pydantic import ValidationError

from tests.polling import free_port, until

TOKEN = "of-the-tests"


class Coordinator:
    """The part of a coordinator that workers call."""

    def __init__(self, address: str) -> None:
        config = CoordinatorConfig(report_interval_s=0.02)
        self.address = address
        self.workers = Workers(config, TOKEN)
        self.assignments: Any = Assignments(None)
        scheduler = Scheduler(config, self.workers, Metrics())
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.server.add_insecure_port(address)
        service = WorkersService(self.workers, scheduler, config, TOKEN, self.assignments)
        add_WorkersServicer_to_server(service, self.server)

    @property
    def worker(self) -> Worker | None:
        return self.workers.get("w")

    @property
    def states(self) -> tuple[str, bool] | None:
        """The worker's model, and whether it is draining."""
        return None if self.worker is None else (self.worker.model_id, self.worker.draining)

    @property
    def failure(self) -> str:
        """Why the worker does not serve the assigned model."""
        return "" if self.worker is None else self.assignments.failure(self.worker)


class FakeEngine:
    max_concurrent_requests = 1
    max_context_tokens = 1

    def stats(self) -> EngineStats:
        return EngineStats(running_requests=0, waiting_requests=0, kv_cache_utilization=0)


class FakeLoader:
    """Switches to any model as soon as `may_load` is set."""

    def __init__(self) -> None:
        engine: Any = FakeEngine()
        self.served = ServedModel(model_id="first", engine=engine, ready=True)
        self.may_load, self.switches = asyncio.Event(), 0

    async def switch(self, model_id: str, url: str, digest: str, drain: Callable[[], Awaitable[None]]) -> None:
        self.switches += 1
        await drain()
        await self.may_load.wait()
        self.served.ready = url != "file:///fatal"
        if url in ("file:///fatal", "file:///broken"):
            raise StartError(f"{url} cannot be loaded")
        engine: Any = FakeEngine()
        self.served.engine, self.served.digest = engine, digest
        self.served.model_id = model_id or "first"


class Cluster:
    """A worker, and a name that resolves to some of the coordinators."""

    def __init__(self) -> None:
        self.port = free_port()
        self.loader = FakeLoader()
        self.clock = ManualClock()
        self.name: set[str] | OSError = set()
        config = WorkerConfig.model_validate(
            {"worker_id": "w", "port": 1, "coordinator": f"coordinators:{self.port}", "model": {"id": "m", "path": "."}}
        )
        served = self.loader.served
        self.registration = Registration(
            config,
            served,
            AssignmentFollower(served, self.loader.switch),
            TOKEN,
            1,
            resolve=self.resolve,
            clock=self.clock,
        )
        self.running = asyncio.create_task(self.registration.run())
        self.coordinators: list[Coordinator] = []

    async def resolve(self, name: str) -> set[str]:
        assert name == f"coordinators:{self.port}"
        if isinstance(self.name, OSError):
            raise self.name
        return self.name

    async def start(self, last: int) -> Coordinator:
        made = Coordinator(f"127.0.0.{last}:{self.port}")
        await made.server.start()
        self.coordinators.append(made)
        return made

    def resolve_to(self, *coordinators: Coordinator) -> None:
        self.name = {one.address for one in coordinators}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let heartbeats pass until a condition holds. Calls are real, so that their time passes as well."""
        await until(lambda: condition() or self.clock.advance(RETRY_S))

    async def pass_heartbeats(self) -> None:
        """Let enough heartbeats pass for a call that should not happen."""
        for _ in range(10):
            self.clock.advance(RETRY_S)
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, StartError):
            await self.running
        for one in self.coordinators:
            await one.server.stop(None)


def in_cluster(test: Callable[[Cluster], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine with a cluster."""

    async def within() -> None:
        cluster = Cluster()
        try:
            await test(cluster)
        finally:
            await cluster.stop()

    asyncio.run(within())


def test_a_worker_registers_with_every_address_of_a_name_and_follows_changes() -> None:
    async def test(cluster: Cluster) -> None:
        one, two, three = [await cluster.start(last) for last in (2, 3, 4)]
        assert not cluster.registration.registered
        cluster.resolve_to(one, two)
        await cluster.until(lambda: one.states == two.states == ("first", False))
        assert three.states is None
        await cluster.until(lambda: cluster.registration.registered)
        cluster.resolve_to(two, three)
        await cluster.until(lambda: three.states is not None)
        # A coordinator that is draining is no longer listed, but still serves. It needs the worker's reports.
        seen_s = one.worker and one.worker.last_seen_s
        await cluster.until(lambda: one.worker is not None and one.worker.last_seen_s != seen_s)
        await one.server.stop(None)
        cluster.name = OSError("the resolver is unavailable")
        await cluster.until(lambda: len(cluster.registration._links) == 2)
        await cluster.until(lambda: cluster.registration.registered)
        again = await cluster.start(2)
        await cluster.pass_heartbeats()
        assert again.states is None, "the name does not resolve to it"
        cluster.resolve_to(again, two, three)
        await cluster.until(lambda: again.states is not None)

    in_cluster(test)


def test_a_worker_registers_again_with_a_restarted_coordinator() -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.resolve_to(one, two)
        await cluster.until(lambda: cluster.registration.registered)
        await one.server.stop(None)
        await cluster.pass_heartbeats()  # one gRPC channel would now back off
        assert cluster.registration.registered, "the other coordinator knows it"
        again = await cluster.start(2)
        await cluster.until(lambda: again.states is not None)
        await two.server.stop(None)
        await again.server.stop(None)
        await cluster.until(lambda: not cluster.registration.registered)

    in_cluster(test)


def test_every_coordinator_sees_a_worker_follow_the_assignment_of_one() -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.resolve_to(one, two)
        await cluster.until(lambda: one.worker is not None and two.worker is not None)
        assert one.worker is not None
        assert two.worker is not None
        before = one.worker.incarnation
        await one.assignments.assign([one.worker], model_id="second")
        await cluster.until(lambda: one.states == two.states == ("first", True))
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.states == two.states == ("second", False))
        assert before != one.worker.incarnation == two.worker.incarnation, "the cache is lost"
        assert one.assignments.unfulfilled(one.worker) is None
        # Another coordinator may hold an older assignment. The worker ignores it.
        assert two.worker is not None
        stale = one.assignments._latest["w"].model_copy(
            update={"revision": 1, "assignment_id": "x", "model_id": "stale"}
        )
        two.assignments._latest["w"] = stale
        await cluster.pass_heartbeats()
        assert (cluster.loader.switches, one.states) == (1, ("second", False))
        two.assignments._latest.clear()
        await one.assignments.assign([one.worker])
        await cluster.until(lambda: one.states == two.states == ("first", False))

    in_cluster(test)


def test_every_coordinator_learns_why_an_assigned_model_cannot_be_loaded() -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.resolve_to(one, two)
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.worker is not None and two.worker is not None)
        assert one.worker is not None
        await one.assignments.assign([one.worker], model_id="second", store_url="file:///broken")
        two.assignments._latest = dict(one.assignments._latest)
        await cluster.until(lambda: bool(one.failure and two.failure))
        await cluster.until(lambda: one.states == two.states == ("first", False))
        assert cluster.loader.switches == 1

    in_cluster(test)


def test_a_worker_that_is_left_without_a_model_exits() -> None:
    async def test(cluster: Cluster) -> None:
        one = await cluster.start(2)
        cluster.resolve_to(one)
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.worker is not None)
        assert one.worker is not None
        await one.assignments.assign([one.worker], model_id="second", store_url="file:///fatal")
        await cluster.until(cluster.running.done)
        with pytest.raises(StartError, match="cannot be loaded"):
            await cluster.running

    in_cluster(test)


def test_a_draining_worker_reports_until_it_leaves_and_does_not_return() -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.resolve_to(one, two)
        await cluster.until(lambda: one.states == two.states == ("first", False))
        await cluster.registration.drain()
        assert one.states == two.states == ("first", True)
        assert one.worker is not None
        one.worker.draining = False  # as if it had missed the drain
        await cluster.until(lambda: one.states == ("first", True))
        late = await cluster.start(4)
        cluster.resolve_to(one, two, late)
        await cluster.pass_heartbeats()
        assert late.states is None, "a worker that is leaving does not register"
        await cluster.registration.leave()
        assert one.states is two.states is None
        await cluster.pass_heartbeats()
        assert one.states is None, "it does not register again"

    in_cluster(test)


def test_a_worker_with_another_token_is_not_registered() -> None:
    async def test(cluster: Cluster) -> None:
        one = await cluster.start(2)
        cluster.registration._metadata = (("authorization", "Bearer another"),)
        cluster.resolve_to(one)
        await cluster.pass_heartbeats()
        assert not cluster.registration.registered
        assert one.states is None

    in_cluster(test)


def test_a_name_resolves_to_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_families(*_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, None, None, "", ("10.0.0.1", 9090)),
            (socket.AF_INET, None, None, "", ("10.0.0.2", 9090)),
            (socket.AF_INET6, None, None, "", ("fd00::1", 9090, 0, 0)),
        ]

    async def run() -> None:
        assert await resolve_addresses("127.0.0.1:9090") == {"127.0.0.1:9090"}
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_families)
        assert await resolve_addresses("coordinators:9090") == {"10.0.0.1:9090", "10.0.0.2:9090", "[fd00::1]:9090"}

    asyncio.run(run())


def test_the_configuration_names_one_coordinator_or_several() -> None:
    settings: dict[str, Any] = {"worker_id": "w", "port": 1, "model": {"id": "m", "path": "."}}
    for coordinator, expected in (("a:1", ("a:1",)), (["a:1", "b:2"], ("a:1", "b:2"))):
        assert WorkerConfig.model_validate(settings | {"coordinator": coordinator}).coordinators == expected
    for coordinator in ("nowhere", [], ["a:1", "b"]):
        with pytest.raises(ValidationError):
            WorkerConfig.model_validate(settings | {"coordinator": coordinator})
