"""The gRPC service for workers: registration, load reports, draining."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeAlias

import grpc
import grpc.aio

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Worker, Workers
from novacron_serving.protocol import PerformanceProfile, WorkerRole, worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersServicer

if TYPE_CHECKING:
    RegisterContext: TypeAlias = grpc.aio.ServicerContext[worker_pb2.RegisterRequest, worker_pb2.RegisterResponse]
    ReportContext: TypeAlias = grpc.aio.ServicerContext[worker_pb2.LoadReport, worker_pb2.ReportResponse]
    DrainContext: TypeAlias = grpc.aio.ServicerContext[worker_pb2.DrainRequest, worker_pb2.DrainResponse]


class WorkersService(WorkersServicer):
    """The service of `worker.proto`."""

    def __init__(
        self,
        workers: Workers,
        scheduler: Scheduler,
        config: CoordinatorConfig,
        token: str,
        assignments: Assignments,
        tls: ClusterTls | None = None,
    ) -> None:
        self._tls = tls
        self._assignments = assignments
        self._workers = workers
        self._scheduler = scheduler
        self._config = config
        self._authorization = f"Bearer {token}"

    async def _authenticate(self, context: RegisterContext | ReportContext | DrainContext) -> None:
        if self._tls is not None:
            names = context.auth_context().get("x509_subject_alternative_name", ())
            if not self._tls.has_cluster_name(name.decode("ascii", "replace") for name in names):
                message = f"the worker's certificate does not contain the cluster's name, {self._tls.server_name}"
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
        metadata = dict(context.invocation_metadata() or ())
        given = metadata.get("authorization", "")
        given = given.encode() if isinstance(given, str) else given
        if not hmac.compare_digest(given, self._authorization.encode()):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "the worker's cluster token differs from the coordinator's"
            )

    async def Register(  # noqa: N802 - the name in worker.proto
        self, request: worker_pb2.RegisterRequest, context: RegisterContext
    ) -> worker_pb2.RegisterResponse:
        """Register a worker."""
        await self._authenticate(context)
        try:
            role = WorkerRole(request.role or WorkerRole.BOTH)
            profile = PerformanceProfile(request.performance_profile or PerformanceProfile.BALANCED)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unknown to this coordinator: {error}")
            raise
        try:
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
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        self._scheduler.fill_slots()
        return worker_pb2.RegisterResponse(report_interval_s=self._config.report_interval_s)

    async def Report(  # noqa: N802
        self, request: worker_pb2.LoadReport, context: ReportContext
    ) -> worker_pb2.ReportResponse:
        """Record a worker's report, and return the assignment that it still has to load."""
        await self._authenticate(context)
        worker = self._workers.get(request.worker_id, request.incarnation)
        if worker is None:
            return await context.abort(grpc.StatusCode.NOT_FOUND, "register first")
        requests = request.running_requests + request.waiting_requests
        worker.record_report(self._workers.clock.monotonic(), requests)
        worker.kv_cache_utilization = request.kv_cache_utilization
        worker.failed_assignment_id, worker.failure = request.failed_assignment_id, request.failure
        if request.draining and not worker.draining:
            self._drain(worker)
        if (pending := self._assignments.pending(worker)) is None:
            return worker_pb2.ReportResponse()
        return worker_pb2.ReportResponse(
            assignment=worker_pb2.Assignment(
                id=pending.assignment_id,
                revision=pending.revision,
                model_id=pending.model_id,
                store_url=pending.store_url,
                model_digest=pending.digest,
            )
        )

    async def Drain(  # noqa: N802
        self, request: worker_pb2.DrainRequest, context: DrainContext
    ) -> worker_pb2.DrainResponse:
        """Stop sending requests to a worker, or remove it once it has drained."""
        await self._authenticate(context)
        worker = self._workers.get(request.worker_id, request.incarnation)
        if worker is not None and request.leaves:
            self._workers.remove(worker)
        elif worker is not None:
            self._drain(worker)
        return worker_pb2.DrainResponse()

    def _drain(self, worker: Worker) -> None:
        worker.draining = True
        self._workers.refresh()
