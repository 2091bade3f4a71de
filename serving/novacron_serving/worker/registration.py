"""Telling the coordinator that this worker exists, and how loaded it is; again and again, for as long as it lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio

from novacron_serving.errors import StartError
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.loading import Loader

CHANNEL = (("grpc.enable_http_proxy", 0),)
"""A proxy for the internet does not lead to the coordinator."""
RETRY_S = 0.5
CALL_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Registration:
    """`registered` is true while the coordinator knows this worker."""

    def __init__(self, config: WorkerConfig, loader: Loader, token: str, port: int) -> None:
        self.registered = False
        self.adapters: Mapping[str, str] = {}
        """Digests of those that the engine has, by name."""
        self._config = config
        self._loader = loader
        self._assignment_id = ""
        """The last one taken up."""
        self._failure = ""
        """Why it could not be fulfilled."""
        self._switching: asyncio.Task[None] | None = None
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._address = f"{config.host}:{port}"
        self._draining = False

    async def run(self) -> None:
        """Register, report, and register again whenever the coordinator has forgotten this worker."""
        async with grpc.aio.insecure_channel(self._config.coordinator, options=CHANNEL) as channel:
            stub: Any = WorkersStub(channel)
            while not self._draining:
                try:
                    interval_s = await self._register(stub)
                    log.info("registered with the coordinator at %s", self._config.coordinator)
                    while not self._draining:
                        await asyncio.sleep(interval_s)
                        await self._report(stub)
                        if self._switching is not None and self._switching.done():
                            self._switching.result()
                            await self._register(stub)
                            self._switching = None
                except grpc.aio.AioRpcError as error:
                    if self.registered or error.code() == grpc.StatusCode.UNAUTHENTICATED:
                        log.warning("the coordinator answers %s: %s", error.code().name, error.details())
                    self.registered = False
                    await asyncio.sleep(RETRY_S)

    async def _register(self, stub: Any) -> float:
        response = await stub.Register(
            worker_pb2.RegisterRequest(
                worker_id=self._config.worker_id,
                address=self._address,
                model_id=self._loader.model.model_id,
                model_digest=self._loader.model.digest,
                assignment_id=self._assignment_id if self._fulfilled() else "",
                engine=self._config.engine.kind,
                max_concurrent_requests=self._loader.engine.max_concurrent_requests,
                max_context_tokens=self._loader.engine.max_context_tokens,
                kv_cache_capacity_tokens=self._loader.engine.stats().kv_cache_capacity_tokens,
                role=self._config.role.value,
                adapters=[worker_pb2.Adapter(name=name, digest=digest) for name, digest in self.adapters.items()],
            ),
            metadata=self._metadata,
            timeout=CALL_TIMEOUT_S,
        )
        self.registered = True
        return response.report_interval_s

    async def _report(self, stub: Any) -> None:
        stats = self._loader.engine.stats()
        response = await stub.Report(
            worker_pb2.LoadReport(
                worker_id=self._config.worker_id,
                running_requests=stats.running_requests,
                waiting_requests=stats.waiting_requests,
                kv_cache_utilization=stats.kv_cache_utilization,
                failed_assignment_id=self._assignment_id if self._failure else "",
                failure=self._failure,
            ),
            metadata=self._metadata,
            timeout=CALL_TIMEOUT_S,
        )
        asked = response.assignment
        if asked.id and asked.id != self._assignment_id and self._switching is None:
            self._assignment_id, self._failure = asked.id, ""
            self._switching = asyncio.create_task(self._switch(asked))

    def _fulfilled(self) -> bool:
        return not self._failure and (self._switching is None or self._switching.done())

    async def _switch(self, asked: Any) -> None:
        try:
            await self._loader.switch(asked.model_id, asked.store_url, asked.model_digest, self._tell_drain)
        except StartError as error:
            log.warning("stays with %s: %s", self._loader.model.model_id, error)
            self._failure = str(error)

    async def drain(self) -> None:
        """Ask for no new requests. A coordinator that is gone needs no telling."""
        self._draining = True
        await self._tell_drain()

    async def _tell_drain(self) -> None:
        try:
            async with grpc.aio.insecure_channel(self._config.coordinator, options=CHANNEL) as channel:
                stub: Any = WorkersStub(channel)
                await stub.Drain(
                    worker_pb2.DrainRequest(worker_id=self._config.worker_id), metadata=self._metadata, timeout=2
                )
        except grpc.aio.AioRpcError:
            log.info("the coordinator could not be told of the drain")
