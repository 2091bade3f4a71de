"""Background tasks: their intervals, and outages of the database."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.background_tasks import CERTIFICATE_S, TICK_S, BackgroundTasks
from novacron_serving.coordinator.limits.authentication import Authenticator
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.database import DatabaseUnavailableError, Store

from .cluster import Cluster


def make_tasks(cluster: Cluster, store: Store | None) -> BackgroundTasks:
    return BackgroundTasks(
        cluster.scheduler, Authenticator((), needs_key=False), (), store, None, cluster.workers,
        Assignments(store, cluster.clock), cluster.clock,
    )  # fmt: skip


async def settle() -> None:
    """Let tasks that are ready run until they wait again."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_worker_timeouts_and_certificates_are_checked_at_their_intervals(
    cluster: Cluster, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"tick": 0, "certificate": 0}

    def count(name: str) -> None:
        calls[name] += 1

    monkeypatch.setattr(cluster.scheduler, "tick", lambda: count("tick"))

    async def run() -> None:
        running = asyncio.create_task(make_tasks(cluster, None).run(lambda: count("certificate"), lambda _: None))
        for _ in range(round(2 * CERTIFICATE_S / TICK_S)):
            await settle()
            clock.advance(TICK_S)
        await settle()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())
    assert calls == {"tick": 40, "certificate": 2}


def test_known_keys_are_kept_while_the_database_is_unavailable(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(f"sqlite:///{tmp_path}/coordinator.db")
    tasks = make_tasks(cluster, store)

    def fail(*_: Any) -> Any:
        raise DatabaseUnavailableError("connection refused")

    def database_up() -> float | None:
        registry = cluster.scheduler.metrics.registry
        return registry.get_sample_value("novacron_dependency_up", {"dependency": "database"})

    async def run() -> None:
        await tasks.refresh_keys()
        assert (tasks.degraded, database_up()) == ({}, 1)
        with monkeypatch.context() as patch:
            patch.setattr(store, "keys", fail)
            for _ in range(2):
                await tasks.refresh_keys()
            assert (tasks.degraded, database_up()) == ({"database": "connection refused"}, 0)
        with caplog.at_level("INFO"):
            await tasks.refresh_keys()
        assert (tasks.degraded, database_up()) == ({}, 1)

    asyncio.run(run())
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "database unavailable, continuing with cached data: connection refused",
        "database available again",
    ]
    store.close()
