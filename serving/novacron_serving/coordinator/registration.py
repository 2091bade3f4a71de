"""What workers call over gRPC: that they are there, how loaded they are, that they go."""

from __future__ import annotations

import hmac
from typing import Any

import grpc

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.workers import Worker, Workers
from novacron_serving.protocol import PerformanceProfile, WorkerRole, worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersServicer


class WorkersService(WorkersServicer):
    """The service of `worker.proto`."""

    def __init__(
        self,
        workers: Workers,
        gate: Gate,
        config: CoordinatorConfig,
        token: str,
        assignments: Assignments,
        tls: ClusterTls | None = None,
    ) -> None:
        self._tls = tls
        self._assignments = assignments
        self._workers = workers
        self._gate = gate
        self._config = config
        self._expected = f"Bearer {token}"

    async def _authenticate(self, context: Any) -> None:
        if self._tls is not None:
            names = context.auth_context().get("x509_subject_alternative_name", ())
            if not self._tls.bears_the_name(name.decode("ascii", "replace") for name in names):
                message = f"the worker's certificate does not bear the cluster's name, {self._tls.server_name}"
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
        given = dict(context.invocation_metadata()).get("authorization", "")
        if not hmac.compare_digest(given, self._expected):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the cluster token is not the coordinator's")

    async def Register(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """A worker is there."""
        await self._authenticate(context)
        try:
            role = WorkerRole(request.role or WorkerRole.BOTH)
            profile = PerformanceProfile(request.performance_profile or PerformanceProfile.BALANCED)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"it is not known here: {error}")
            raise
        self._workers.register(
            worker_id=request.worker_id,
            address=request.address,
            model_id=request.model_id,
            engine=request.engine,
            model_digest=request.model_digest,
            max_concurrent_requests=request.max_concurrent_requests,
            max_context_tokens=request.max_context_tokens,
            kv_cache_capacity_tokens=request.kv_cache_capacity_tokens,
            incarnation=request.incarnation,
            assignment_id=request.assignment_id,
            role=role,
            performance_profile=profile,
            adapters={adapter.name: adapter.digest for adapter in request.adapters},
        )
        self._gate.room()
        return worker_pb2.RegisterResponse(report_interval_s=self._config.report_interval_s)

    async def Report(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker lives."""
        await self._authenticate(context)
        worker = self._workers.get(request.worker_id, request.incarnation)
        if worker is None:
            return await context.abort(grpc.StatusCode.NOT_FOUND, "register first")
        worker.reported(request.running_requests + request.waiting_requests)
        worker.kv_cache_utilization = request.kv_cache_utilization
        worker.failed_assignment_id, worker.failure = request.failed_assignment_id, request.failure
        if request.draining and not worker.draining:
            self._drain(worker)
        if (given := self._assignments.pending(worker)) is None:
            return worker_pb2.ReportResponse()
        return worker_pb2.ReportResponse(
            assignment=worker_pb2.Assignment(
                id=given.assignment_id,
                revision=given.revision,
                model_id=given.model_id,
                store_url=given.store_url,
                model_digest=given.digest,
            )
        )

    async def Drain(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A worker is going, or has nothing more to do before it goes."""
        await self._authenticate(context)
        worker = self._workers.get(request.worker_id, request.incarnation)
        if worker is not None and request.leaves:
            self._workers.left(worker)
        elif worker is not None:
            self._drain(worker)
        return worker_pb2.DrainResponse()

    def _drain(self, worker: Worker) -> None:
        worker.draining = True
        self._workers.renew()
