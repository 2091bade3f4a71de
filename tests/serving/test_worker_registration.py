"""A worker and the coordinators behind one name, over real gRPC: it registers with each, and follows when they change.

The coordinators have loopback addresses of their own and one port, as behind a headless service; a stand-in resolves
the name.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.authentication import Authenticator
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registration import WorkersService
from novacron_serving.coordinator.scheduler import Scheduler
from novacron_serving.coordinator.workers import Worker, Workers
from novacron_serving.engines import EngineStats
from novacron_serving.errors import StartError
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.worker import registration as registration_module
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.loading import Model
from novacron_serving.worker.registration import Registration, addresses_of
from pydantic import ValidationError

from .conftest import free_port

TOKEN = "of-the-tests"


class Coordinator:
    """What of one workers talk to."""

    def __init__(self, address: str) -> None:
        config = CoordinatorConfig(report_interval_s=0.02)
        self.address = address
        self.workers = Workers(config, TOKEN)
        self.assignments: Any = Assignments(None)
        scheduler = Scheduler(config, self.workers, Authenticator((), needs_key=False), Metrics())
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.server.add_insecure_port(address)
        service = WorkersService(self.workers, scheduler, config, TOKEN, self.assignments)
        add_WorkersServicer_to_server(service, self.server)

    @property
    def worker(self) -> Worker | None:
        return self.workers.get("w")

    @property
    def states(self) -> tuple[str, bool] | None:
        """The worker's model, and whether it drains."""
        return None if self.worker is None else (self.worker.model_id, self.worker.draining)

    @property
    def failure(self) -> str:
        """Why the worker does not serve what it was given."""
        return "" if self.worker is None else self.assignments.failure(self.worker)


class FakeEngine:
    max_concurrent_requests = 1
    max_context_tokens = 1

    def stats(self) -> EngineStats:
        return EngineStats(running_requests=0, waiting_requests=0, kv_cache_utilization=0)


@dataclass
class App:
    loaded: bool = True


class FakeLoader:
    """Loads what it is told to as soon as `may_load` is set."""

    def __init__(self) -> None:
        self.model = self.first = Model(model_id="first", folder=Path())
        self.engine, self.app, self.may_load, self.switches = FakeEngine(), App(), asyncio.Event(), 0

    async def switch(self, model_id: str, url: str, digest: str, drain: Callable[[], Awaitable[None]]) -> None:
        self.switches += 1
        await drain()
        await self.may_load.wait()
        self.app.loaded = url != "file:///fatal"
        if url in ("file:///fatal", "file:///broken"):
            raise StartError(f"{url} cannot be loaded")
        self.engine = FakeEngine()
        self.model = Model(model_id=model_id, folder=Path(), digest=digest) if model_id else self.first


class Cluster:
    """A worker, and a name that leads to some of the coordinators."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.port = free_port()
        self.loader: Any = FakeLoader()
        self.name: set[str] | OSError = set()
        config = WorkerConfig.model_validate(
            {"worker_id": "w", "port": 1, "coordinator": f"coordinators:{self.port}", "model": {"id": "m", "path": "."}}
        )
        self.registration: Any = Registration(config, self.loader, TOKEN, 1)
        self.running = asyncio.create_task(self.registration.run())
        self.coordinators: list[Coordinator] = []

        async def resolve(name: str) -> set[str]:
            assert name == f"coordinators:{self.port}"
            if isinstance(self.name, OSError):
                raise self.name
            return self.name

        monkeypatch.setattr(registration_module, "addresses_of", resolve)
        monkeypatch.setattr(registration_module, "RETRY_S", 0.02)

    async def start(self, last: int) -> Coordinator:
        made = Coordinator(f"127.0.0.{last}:{self.port}")
        await made.server.start()
        self.coordinators.append(made)
        return made

    def lead_to(self, *coordinators: Coordinator) -> None:
        self.name = {one.address for one in coordinators}

    async def until(self, true: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not true():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)

        await asyncio.wait_for(wait(), 5)

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, StartError):
            await self.running
        for one in self.coordinators:
            await one.server.stop(None)


@pytest.fixture
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Cluster], Coroutine[Any, Any, None]]], None]:
    """Runs a test's coroutine."""

    def run(test: Callable[[Cluster], Coroutine[Any, Any, None]]) -> None:
        async def within() -> None:
            cluster = Cluster(monkeypatch)
            try:
                await test(cluster)
            finally:
                await cluster.stop()

        asyncio.run(within())

    return run


def test_it_registers_with_every_address_of_a_name_and_follows(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one, two, three = [await cluster.start(last) for last in (2, 3, 4)]
        assert not cluster.registration.registered
        cluster.lead_to(one, two)
        await cluster.until(lambda: one.states == two.states == ("first", False))
        assert three.states is None
        await cluster.until(lambda: cluster.registration.registered)
        cluster.lead_to(two, three)
        await cluster.until(lambda: three.states is not None)
        # One is not ready any more, or draining: it may still serve, and needs to know that this worker lives.
        seen_s = one.worker and one.worker.last_seen_s
        await cluster.until(lambda: one.worker is not None and one.worker.last_seen_s != seen_s)
        await one.server.stop(None)
        cluster.name = OSError("the resolver is away")
        await cluster.until(lambda: len(cluster.registration._links) == 2)
        await cluster.until(lambda: cluster.registration.registered)
        again = await cluster.start(2)
        await asyncio.sleep(0.1)
        assert again.states is None, "nothing leads there"
        cluster.lead_to(again, two, three)
        await cluster.until(lambda: again.states is not None)

    in_cluster(test)


def test_it_registers_again_with_a_coordinator_that_was_restarted(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.lead_to(one, two)
        await cluster.until(lambda: cluster.registration.registered)
        await one.server.stop(None)
        await asyncio.sleep(0.2)  # so long that a channel would have begun to wait
        assert cluster.registration.registered, "the other one knows it"
        again = await cluster.start(2)
        await cluster.until(lambda: again.states is not None)
        await two.server.stop(None)
        await again.server.stop(None)
        await cluster.until(lambda: not cluster.registration.registered)

    in_cluster(test)


def test_an_assignment_of_one_coordinator_is_seen_by_all(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.lead_to(one, two)
        await cluster.until(lambda: one.worker is not None and two.worker is not None)
        assert one.worker is not None
        assert two.worker is not None
        before = one.worker.incarnation
        await one.assignments.assign([one.worker], model_id="second")
        await cluster.until(lambda: one.states == two.states == ("first", True))
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.states == two.states == ("second", False))
        assert before != one.worker.incarnation == two.worker.incarnation, "nothing is cached any more"
        assert one.assignments.unfulfilled(one.worker) is None
        # What another coordinator has not heard of yet, or not heard to be over, is not gone back to.
        assert two.worker is not None
        latest = one.assignments._latest["w"]
        stale = latest.model_copy(update={"revision": 1, "assignment_id": "x", "model_id": "stale"})
        two.assignments._latest["w"] = stale
        await asyncio.sleep(0.2)
        assert (cluster.loader.switches, one.states) == (1, ("second", False))
        two.assignments._latest.clear()
        await one.assignments.assign([one.worker])
        await cluster.until(lambda: one.states == two.states == ("first", False))

    in_cluster(test)


def test_a_model_that_cannot_be_loaded_is_told_to_all(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.lead_to(one, two)
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.worker is not None and two.worker is not None)
        assert one.worker is not None
        await one.assignments.assign([one.worker], model_id="second", store_url="file:///broken")
        two.assignments._latest = dict(one.assignments._latest)
        await cluster.until(lambda: bool(one.failure and two.failure))
        await cluster.until(lambda: one.states == two.states == ("first", False))
        assert cluster.loader.switches == 1

    in_cluster(test)


def test_a_worker_without_any_model_ends(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one = await cluster.start(2)
        cluster.lead_to(one)
        cluster.loader.may_load.set()
        await cluster.until(lambda: one.worker is not None)
        assert one.worker is not None
        await one.assignments.assign([one.worker], model_id="second", store_url="file:///fatal")
        with pytest.raises(StartError, match="cannot be loaded"):
            await asyncio.wait_for(cluster.running, 5)

    in_cluster(test)


def test_it_drains_while_it_still_reports_and_leaves_at_once(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one, two = [await cluster.start(last) for last in (2, 3)]
        cluster.lead_to(one, two)
        await cluster.until(lambda: one.states == two.states == ("first", False))
        await cluster.registration.drain()
        assert one.states == two.states == ("first", True)
        assert one.worker is not None
        one.worker.draining = False  # as if it had missed it
        await cluster.until(lambda: one.states == ("first", True))
        late = await cluster.start(4)
        cluster.lead_to(one, two, late)
        await asyncio.sleep(0.1)
        assert late.states is None, "it need not learn of a worker that goes"
        await cluster.registration.leave()
        assert one.states is two.states is None
        await asyncio.sleep(0.1)
        assert one.states is None, "it does not come back"

    in_cluster(test)


def test_a_coordinator_with_another_token_is_not_known(in_cluster: Any) -> None:
    async def test(cluster: Cluster) -> None:
        one = await cluster.start(2)
        cluster.registration._metadata = (("authorization", "Bearer another"),)
        cluster.lead_to(one)
        await asyncio.sleep(0.2)
        assert not cluster.registration.registered
        assert one.states is None

    in_cluster(test)


def test_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_families(*_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, None, None, "", ("10.0.0.1", 9090)),
            (socket.AF_INET, None, None, "", ("10.0.0.2", 9090)),
            (socket.AF_INET6, None, None, "", ("fd00::1", 9090, 0, 0)),
        ]

    async def run() -> None:
        assert await addresses_of("127.0.0.1:9090") == {"127.0.0.1:9090"}
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_families)
        assert await addresses_of("coordinators:9090") == {"10.0.0.1:9090", "10.0.0.2:9090", "[fd00::1]:9090"}

    asyncio.run(run())


def test_a_worker_has_one_coordinator_or_several() -> None:
    told: dict[str, Any] = {"worker_id": "w", "port": 1, "model": {"id": "m", "path": "."}}
    for coordinator, expected in (("a:1", ("a:1",)), (["a:1", "b:2"], ("a:1", "b:2"))):
        assert WorkerConfig.model_validate(told | {"coordinator": coordinator}).coordinators == expected
    for coordinator in ("nowhere", [], ["a:1", "b"]):
        with pytest.raises(ValidationError):
            WorkerConfig.model_validate(told | {"coordinator": coordinator})
