"""Registers the worker with every coordinator, and reports its load at each heartbeat.

Coordinators route independently, so each of them gets every report. A name may resolve to several coordinators, and the
worker resolves it again at every heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import grpc.aio

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.cluster_tls import ClusterTls, channel
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub
from novacron_serving.worker.assignments import AssignmentFollower
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.served import ServedModel

RETRY_S = 0.5
DISTRUST_RETRY_S = 10.0
"""After a failed TLS handshake. Certificates have to be replaced first, and gRPC logs each attempt on both sides."""
CALL_TIMEOUT_S = 5.0
DRAIN_TIMEOUT_S = 2.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Link:
    """The connection to one coordinator."""

    address: str
    tried: bool
    """Whether a first attempt has ended, successfully or not."""
    sent: bool = False
    """Whether a registration was sent. The coordinator may know this worker."""
    known: bool = False
    """Whether the coordinator has confirmed the registration."""
    listed: bool = True
    """Whether a configured name still resolves to this address."""
    last_error: str = ""
    """Logged once, not at each attempt."""
    retry_s: float = RETRY_S
    stub: WorkersStub | None = None


class Registration:
    """One worker's links to its coordinators."""

    def __init__(
        self,
        config: WorkerConfig,
        served: ServedModel,
        assignments: AssignmentFollower,
        token: str,
        port: int,
        *,
        tls: ClusterTls | None = None,
        resolve: Callable[[str], Awaitable[set[str]]] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare the registration; `run` starts it.

        Args:
            config: the worker's configuration.
            served: the model to register.
            assignments: follows the coordinators' assignments.
            token: the cluster's token.
            port: the worker's HTTP port.
            tls: the cluster's certificates.
            resolve: returns the addresses of a `host:port`. For tests.
            clock: for tests.
        """
        self._config = config
        self._served = served
        self._assignments = assignments
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._address = f"{config.host}:{port}"
        self._tls = tls
        self._resolve = resolve or resolve_addresses
        self._clock = clock
        self._links: dict[str, _Link] = {}
        self._resolved: dict[str, set[str]] = {}
        """Addresses by configured name."""
        self._resolved_once = False
        self._interval_s = RETRY_S
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.Event()
        """Set while the worker accepts requests."""
        self._accepting.set()
        self._leaving = False

    @property
    def registered(self) -> bool:
        """Whether a coordinator knows this worker, and the first attempt at each coordinator has ended."""
        links = self._links.values()
        return any(link.known for link in links) and all(link.tried for link in links)

    async def run(self) -> None:
        """Follow the coordinators until cancelled. Raises `StartError` when the worker is left without a model."""
        try:
            while True:
                await self._update_links()
                timer = asyncio.create_task(self._clock.sleep(self._interval_s))
                done, _ = await asyncio.wait({*self._tasks, timer}, return_when=asyncio.FIRST_COMPLETED)
                timer.cancel()
                self._tasks -= done
                for task in done - {timer}:
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _update_links(self) -> None:
        """Resolve the configured names, and start a link to each new address."""
        for name in self._config.coordinators:
            try:
                self._resolved[name] = await self._resolve(name)
            except OSError as error:
                if name not in self._resolved or not self._resolved_once:
                    log.warning("cannot resolve the coordinators' name %s: %s", name, error)
        listed = set[str]().union(*self._resolved.values())
        for link in self._links.values():
            link.listed = link.address in listed
        for address in listed - self._links.keys():
            link = self._links[address] = _Link(address, tried=self._resolved_once)
            self._tasks.add(asyncio.create_task(self._keep_registered(link)))
        self._resolved_once = self._resolved_once or bool(listed)

    async def _keep_registered(self, link: _Link) -> None:
        """Stay registered until no name resolves to the coordinator any more and it has stopped responding."""
        while link.listed:
            # A new channel for each attempt: a failed one backs off for longer and longer.
            async with channel(link.address, self._tls) as connection:
                link.stub = WorkersStub(connection)
                try:
                    await self._register_and_report(link, link.stub)
                except grpc.aio.AioRpcError as error:
                    await self._handle_error(link, error)
                finally:
                    link.sent, link.known, link.tried = False, False, True
            await self._clock.sleep(link.retry_s)
        del self._links[link.address]

    async def _handle_error(self, link: _Link, error: grpc.aio.AioRpcError) -> None:
        reason = f"{error.code().name}: {error.details()}"
        if link.known or reason != link.last_error:
            unavailable = error.code() == grpc.StatusCode.UNAVAILABLE
            distrust = await self._tls.distrust(link.address) if self._tls is not None and unavailable else ""
            log.warning("coordinator %s: %s", link.address, distrust or reason)
            link.retry_s = DISTRUST_RETRY_S if distrust else RETRY_S
        link.last_error = reason

    async def _register_and_report(self, link: _Link, stub: WorkersStub) -> None:
        while True:
            await self._accepting.wait()  # a coordinator that does not know a draining worker need not learn of it
            version, link.sent = self._assignments.version, True
            registered = await stub.Register(self._registration(), metadata=self._metadata, timeout=CALL_TIMEOUT_S)
            if not link.known:
                log.info("registered with coordinator %s", link.address)
            link.known = link.tried = True
            self._interval_s = registered.report_interval_s
            while True:
                await self._clock.sleep(self._interval_s)
                if version != self._assignments.version:
                    break
                reported = await stub.Report(self._report(), metadata=self._metadata, timeout=CALL_TIMEOUT_S)
                switching = self._assignments.follow(reported.assignment, pause=self._pause, resume=self._resume)
                if switching is not None:
                    self._tasks.add(switching)

    def _registration(self) -> worker_pb2.RegisterRequest:
        served, engine = self._served, self._served.engine
        return worker_pb2.RegisterRequest(
            worker_id=self._config.worker_id,
            address=self._address,
            incarnation=self._assignments.incarnation,
            model_id=served.model_id,
            model_digest=served.digest,
            assignment_id=self._assignments.fulfilled_id,
            engine=self._config.engine.kind,
            max_concurrent_requests=engine.max_concurrent_requests,
            max_context_tokens=engine.max_context_tokens,
            kv_cache_capacity_tokens=engine.stats().kv_cache_capacity_tokens,
            role=self._config.role.value,
            performance_profile=self._config.performance_profile.value,
            adapters=[worker_pb2.Adapter(name=name, digest=digest) for name, digest in served.adapters.items()],
        )

    def _report(self) -> worker_pb2.LoadReport:
        stats = self._served.engine.stats()
        failed_assignment_id, failure = self._assignments.failed
        return worker_pb2.LoadReport(
            worker_id=self._config.worker_id,
            incarnation=self._assignments.incarnation,
            running_requests=stats.running_requests,
            waiting_requests=stats.waiting_requests,
            kv_cache_utilization=stats.kv_cache_utilization,
            draining=not self._accepting.is_set(),
            failed_assignment_id=failed_assignment_id,
            failure=failure,
        )

    async def _pause(self) -> None:
        self._accepting.clear()
        await self._send_drain(leaves=False)

    def _resume(self) -> None:
        if not self._leaving:
            self._accepting.set()

    async def drain(self) -> None:
        """Make the coordinators send no new requests, for good."""
        self._leaving = True
        await self._pause()

    async def leave(self) -> None:
        """Tell the coordinators that the last request has finished and the worker exits."""
        await self._send_drain(leaves=True)

    async def _send_drain(self, *, leaves: bool) -> None:
        """Send Drain to each coordinator that may know this worker. One that cannot be reached routes nothing here."""
        request = worker_pb2.DrainRequest(
            worker_id=self._config.worker_id, incarnation=self._assignments.incarnation, leaves=leaves
        )

        async def send(link: _Link, stub: WorkersStub) -> None:
            try:
                await stub.Drain(request, metadata=self._metadata, timeout=DRAIN_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                log.info("coordinator %s did not receive the drain: %s", link.address, error.code().name)

        links = [link for link in self._links.values() if link.sent]
        await asyncio.gather(*(send(link, link.stub) for link in links if link.stub is not None))


async def resolve_addresses(name: str) -> set[str]:
    """Return every `address:port` that a `host:port` resolves to. Raises `OSError`."""
    host, _, port = name.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    return {f"[{to[0]}]:{port}" if family == socket.AF_INET6 else f"{to[0]}:{port}" for family, _, _, _, to in found}
