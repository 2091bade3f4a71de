"""Telling the coordinators that this worker exists, and how loaded it is; again and again, for as long as it lives.

Each coordinator routes to this worker by itself, so each is told everything. A name may stand for several, and for
others later.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from novacron_serving.cluster_tls import ClusterTls, channel
from novacron_serving.errors import StartError
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.loading import Loader

RETRY_S = 0.5
DISTRUST_RETRY_S = 10.0
"""Certificates that do not fit have to be replaced first, and both sides' gRPC logs each attempt."""
CALL_TIMEOUT_S = 5.0
TELL_TIMEOUT_S = 2.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Link:
    """One coordinator."""

    address: str
    tried: bool
    """It was asked once; it may have been away."""
    told: bool = False
    """It was sent a registration, and may know this worker."""
    known: bool = False
    """It does."""
    listed: bool = True
    """The configuration, or the name in it, leads to it."""
    trouble: str = ""
    """What it last answered instead; told once."""
    retry_s: float = RETRY_S
    stub: Any = None


class Registration:
    """One worker's links to its coordinators, and what they assign to it."""

    def __init__(
        self, config: WorkerConfig, loader: Loader, token: str, port: int, tls: ClusterTls | None = None
    ) -> None:
        self._tls = tls
        self.adapters: Mapping[str, str] = {}
        """Digests of those that the engine has, by name."""
        self._config = config
        self._loader = loader
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._address = f"{config.host}:{port}"
        self._links: dict[str, _Link] = {}
        self._found: dict[str, set[str]] = {}
        """Addresses by name."""
        self._followed = False
        self._interval_s = RETRY_S
        self._tasks: set[asyncio.Task[None]] = set()
        self._incarnation = uuid.uuid4().hex
        self._version = 0
        """Of what is registered."""
        self._revision = 0
        self._assignment_id = self._failure = self._serves = ""
        """The last assignment taken up; why it could not be fulfilled; the last one that was."""
        self._switching: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        """Set while it takes requests."""
        self._open.set()
        self._going = False

    @property
    def registered(self) -> bool:
        """Whether a coordinator knows this worker; at its start, all that can be reached."""
        links = self._links.values()
        return any(link.known for link in links) and all(link.tried for link in links)

    async def run(self) -> None:
        """Follow the coordinators until it is cancelled. Raises `StartError` when no model is loaded any more."""
        try:
            while True:
                await self._follow()
                if not self._tasks:
                    await asyncio.sleep(self._interval_s)
                    continue
                done, _ = await asyncio.wait(self._tasks, timeout=self._interval_s, return_when=asyncio.FIRST_COMPLETED)
                self._tasks -= done
                for task in done:
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Have a link to each coordinator that there is now."""
        for name in self._config.coordinators:
            try:
                self._found[name] = await addresses_of(name)
            except OSError as error:
                if name not in self._found or not self._followed:
                    log.warning("the coordinators' name %s leads nowhere: %s", name, error)
        listed = set[str]().union(*self._found.values())
        for link in self._links.values():
            link.listed = link.address in listed
        for address in listed - self._links.keys():
            link = self._links[address] = _Link(address, tried=self._followed)
            self._tasks.add(asyncio.create_task(self._keep(link)))
        self._followed = self._followed or bool(listed)

    async def _keep(self, link: _Link) -> None:
        """Be known to a coordinator, until nothing leads to it and it does not answer any more."""
        while link.listed:
            # A channel that failed would wait longer and longer before it connects again.
            async with channel(link.address, self._tls) as to:
                link.stub = WorkersStub(to)
                try:
                    await self._report_to(link)
                except grpc.aio.AioRpcError as error:
                    trouble = f"{error.code().name}: {error.details()}"
                    if link.known or trouble != link.trouble:
                        away = error.code() == grpc.StatusCode.UNAVAILABLE
                        distrust = await self._tls.distrust(link.address) if self._tls is not None and away else ""
                        log.warning("the coordinator at %s: %s", link.address, distrust or trouble)
                        link.retry_s = DISTRUST_RETRY_S if distrust else RETRY_S
                    link.trouble = trouble
                finally:
                    link.told, link.known, link.tried = False, False, True
            await asyncio.sleep(link.retry_s)
        del self._links[link.address]

    async def _report_to(self, link: _Link) -> None:
        while True:
            await self._open.wait()  # who does not know of this worker need not learn of it now
            version, link.told = self._version, True
            told = await link.stub.Register(self._register(), metadata=self._metadata, timeout=CALL_TIMEOUT_S)
            if not link.known:
                log.info("registered with the coordinator at %s", link.address)
            link.known = link.tried = True
            self._interval_s = told.report_interval_s
            while True:
                await asyncio.sleep(self._interval_s)
                if version != self._version:
                    break
                told = await link.stub.Report(self._report(), metadata=self._metadata, timeout=CALL_TIMEOUT_S)
                self._take_up(told.assignment)

    def _register(self) -> worker_pb2.RegisterRequest:
        engine, model = self._loader.engine, self._loader.model
        return worker_pb2.RegisterRequest(
            worker_id=self._config.worker_id,
            address=self._address,
            incarnation=self._incarnation,
            model_id=model.model_id,
            model_digest=model.digest,
            assignment_id=self._serves,
            engine=self._config.engine.kind,
            max_concurrent_requests=engine.max_concurrent_requests,
            max_context_tokens=engine.max_context_tokens,
            kv_cache_capacity_tokens=engine.stats().kv_cache_capacity_tokens,
            role=self._config.role.value,
            performance_profile=self._config.performance_profile.value,
            adapters=[worker_pb2.Adapter(name=name, digest=digest) for name, digest in self.adapters.items()],
        )

    def _report(self) -> worker_pb2.LoadReport:
        stats = self._loader.engine.stats()
        return worker_pb2.LoadReport(
            worker_id=self._config.worker_id,
            incarnation=self._incarnation,
            running_requests=stats.running_requests,
            waiting_requests=stats.waiting_requests,
            kv_cache_utilization=stats.kv_cache_utilization,
            draining=not self._open.is_set(),
            failed_assignment_id=self._assignment_id if self._failure else "",
            failure=self._failure,
        )

    def _take_up(self, asked: worker_pb2.Assignment) -> None:
        if asked.id and asked.revision > self._revision and self._switching is None:
            self._assignment_id, self._revision, self._failure = asked.id, asked.revision, ""
            self._switching = asyncio.create_task(self._switch(asked))
            self._tasks.add(self._switching)

    async def _switch(self, asked: worker_pb2.Assignment) -> None:
        engine = self._loader.engine
        try:
            await self._loader.switch(asked.model_id, asked.store_url, asked.model_digest, self._pause)
            self._serves = asked.id
        except StartError as error:
            if self._loader.app is not None and not self._loader.app.loaded:
                raise
            log.warning("stays with %s: %s", self._loader.model.model_id, error)
            self._failure = str(error)
        if self._loader.engine is not engine:
            self._incarnation = uuid.uuid4().hex
        if not self._going:
            self._open.set()
        self._version += 1
        self._switching = None

    async def _pause(self) -> None:
        self._open.clear()
        await self._tell(leaves=False)

    async def drain(self) -> None:
        """Ask for no new requests."""
        self._going = True
        self._open.clear()
        await self._tell(leaves=False)

    async def leave(self) -> None:
        """Say that nothing is under way any more."""
        await self._tell(leaves=True)

    async def _tell(self, *, leaves: bool) -> None:
        """A coordinator that is gone needs no telling."""
        worker_id = self._config.worker_id
        request = worker_pb2.DrainRequest(worker_id=worker_id, incarnation=self._incarnation, leaves=leaves)

        async def tell(link: _Link) -> None:
            try:
                await link.stub.Drain(request, metadata=self._metadata, timeout=TELL_TIMEOUT_S)
            except grpc.aio.AioRpcError:
                log.info("the coordinator at %s could not be told of the drain", link.address)

        await asyncio.gather(*(tell(link) for link in self._links.values() if link.told))


async def addresses_of(name: str) -> set[str]:
    """Every `address:port` of a `host:port`. Raises `OSError`."""
    host, _, port = name.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    return {f"[{to[0]}]:{port}" if family == socket.AF_INET6 else f"{to[0]}:{port}" for family, _, _, _, to in found}
