"""The gRPC service for workers: authentication, registration, reports and draining."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.registration import WorkersService
from novacron_serving.coordinator.workers.workers import WorkerStatus
from novacron_serving.protocol import worker_pb2

from .cluster import CONFIG, Cluster


class Aborted(Exception):  # noqa: N818 - it is how gRPC ends a call
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code


class Context:
    """The context of a call."""

    def __init__(self, authorization: str | None = "Bearer token") -> None:
        self._metadata = () if authorization is None else (("authorization", authorization),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Aborted(code, details)


class Service:
    """The service, called without a server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._service = WorkersService(cluster.workers, cluster.scheduler, CONFIG, "token", Assignments(None))

    def register(self, worker_id: str = "a", *, context: Any = None, **fields: Any) -> worker_pb2.RegisterResponse:
        request = worker_pb2.RegisterRequest(
            **{"worker_id": worker_id, "address": "127.0.0.1:1", "model_id": "m", "max_concurrent_requests": 1} | fields
        )
        return asyncio.run(self._service.Register(request, context or Context()))

    def report(self, worker_id: str = "a", *, context: Any = None, **fields: Any) -> worker_pb2.ReportResponse:
        request = worker_pb2.LoadReport(worker_id=worker_id, **fields)
        return asyncio.run(self._service.Report(request, context or Context()))

    def drain(self, worker_id: str = "a", *, context: Any = None, **fields: Any) -> worker_pb2.DrainResponse:
        request = worker_pb2.DrainRequest(worker_id=worker_id, **fields)
        return asyncio.run(self._service.Drain(request, context or Context()))


@pytest.fixture
def service(cluster: Cluster) -> Service:
    return Service(cluster)


@pytest.mark.parametrize("authorization", [None, "", "token", "Bearer", "Bearer wrong", "Bearer größe"])
def test_calls_without_the_cluster_token_are_unauthenticated(service: Service, authorization: str | None) -> None:
    for call in (service.register, service.report, service.drain):
        with pytest.raises(Aborted, match="cluster token differs") as caught:
            call(context=Context(authorization))
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "fields",
    [
        {"address": ""},
        {"address": "127.0.0.1"},
        {"address": ":1"},
        {"address": "127.0.0.1:"},
        {"address": "127.0.0.1:-1"},
        {"address": "127.0.0.1:99999"},
        {"address": "127.0.0.1:1\r\nx: y:1"},
        {"role": "boss"},
        {"performance_profile": "fastest"},
    ],
    ids=str,
)
def test_invalid_registration_is_rejected_and_leaves_the_worker_as_it_was(
    service: Service, cluster: Cluster, fields: dict[str, str]
) -> None:
    assert service.register().report_interval_s == CONFIG.report_interval_s
    before = cluster.workers.get("a")
    with pytest.raises(Aborted) as caught:
        service.register(incarnation="2", **fields)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert cluster.workers.get("a") is before
    assert cluster.workers.models() == ["m"]


def test_reports_keep_a_worker_active_and_unknown_workers_have_to_register(
    service: Service, cluster: Cluster, clock: ManualClock
) -> None:
    with pytest.raises(Aborted, match="register first") as caught:
        service.report()
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    service.register()
    for _ in range(3):
        clock.advance(4)
        service.report(running_requests=2, waiting_requests=1)
    worker = cluster.workers.get("a")
    assert worker is not None
    assert (worker.load, cluster.workers.status(worker)) == (3, WorkerStatus.ACTIVE)
    service.report(draining=True)
    assert cluster.workers.models() == []


def test_draining_worker_gets_no_requests_and_is_removed_when_it_leaves(service: Service, cluster: Cluster) -> None:
    service.register()
    service.drain()
    assert [cluster.workers.status(worker) for worker in cluster.workers.all()] == [WorkerStatus.DRAINING]
    service.drain(leaves=True)
    assert cluster.workers.all() == []
