"""The coordinator: one address for clients, in front of all workers."""

import asyncio
import contextlib
import gc
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import uvicorn
import uvloop

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.access import Access, ApiKey, Role, digest_of
from novacron_serving.coordinator.app import CoordinatorApp
from novacron_serving.coordinator.assignments import Assignments
from novacron_serving.coordinator.cache import Answers, CacheConfig, Disk, Level, Shared
from novacron_serving.coordinator.config import CoordinatorConfig, TlsConfig
from novacron_serving.coordinator.database import Store
from novacron_serving.coordinator.front import front
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.keys_api import KeysApi
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.models_api import ModelsApi
from novacron_serving.coordinator.rates import SharedRates
from novacron_serving.coordinator.registration import WorkersService
from novacron_serving.coordinator.upkeep import Upkeep
from novacron_serving.coordinator.workers import Workers
from novacron_serving.errors import StartError
from novacron_serving.protocol import contract
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config
from novacron_serving.tracing import tracing

LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = logging.getLogger("novacron_serving.coordinator")


async def serve(config: CoordinatorConfig, token: str) -> None:
    names = contract()["environment"]
    keys = configured_keys(config, os.environ.get(names["admin_key"]))
    cluster_tls = config.cluster_tls and ClusterTls(config.cluster_tls)
    bound = listen(config.host, config.http_port, "http_port")
    workers = Workers(config, token, cluster_tls)
    access = Access(keys, needs_key=bool(keys))
    database_url = config.database_url or os.environ.get(names["database_url"])
    redis_url = config.redis_url or os.environ.get(names["redis_url"])
    metrics = Metrics()
    gate = Gate(config, workers, access, metrics, answers_of(config.cache, redis_url, metrics))
    store = Store(database_url) if database_url else None
    assignments = Assignments(store)
    rates = SharedRates(redis_url, access) if redis_url else None
    upkeep = Upkeep(gate, access, keys, store, rates, workers, assignments)
    await upkeep.read_keys()
    await upkeep.read_models()
    models = ModelsApi(config, store, workers, assignments)
    app = CoordinatorApp(config, workers, gate, upkeep, KeysApi(store, upkeep, keys), models, assignments)
    grpc_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service = WorkersService(workers, gate, config, token, assignments, cluster_tls)
    add_WorkersServicer_to_server(service, grpc_server)
    grpc_address = f"{config.host}:{config.grpc_port}"
    try:
        if cluster_tls is None:
            grpc_port = grpc_server.add_insecure_port(grpc_address)
        else:
            grpc_port = grpc_server.add_secure_port(grpc_address, cluster_tls.server_credentials())
    except RuntimeError as error:
        raise StartError(f"grpc_port {config.grpc_port} on {config.host} cannot be used; choose another") from error
    await grpc_server.start()

    async def drain() -> None:
        gate.draining = True
        await asyncio.sleep(config.drain_notice_s)

    traces = tracing("novacron-coordinator")
    settings = uvicorn_config(app.asgi, config.drain_s, front(gate, traces), tls_files(config.tls))
    server = DrainingServer(settings, drain)
    log.info("serves http on %s:%s, workers on %s:%s", config.host, bound.getsockname()[1], config.host, grpc_port)
    # What is there now stays: the collector need not look at it again and again while requests wait.
    gc.collect()
    gc.freeze()
    keeping_up = asyncio.create_task(upkeep.run(renewing(settings, config.tls, cluster_tls)))
    serving = asyncio.create_task(server.serve([bound]))
    await asyncio.wait({keeping_up, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    keeping_up.cancel()
    await grpc_server.stop(1.0)
    await upkeep.close()
    if traces is not None:
        await asyncio.to_thread(traces.close)
    if not keeping_up.cancelled() and keeping_up.done():
        keeping_up.result()  # what ended it, and so the coordinator


def tls_files(tls: TlsConfig | None) -> tuple[Path, Path] | None:
    if tls is None:
        return None
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # an SSLError is one
        raise StartError(f"tls.certificate {str(tls.certificate)!r} and tls.key cannot be used: {error}") from error
    return tls.certificate, tls.key


def renewing(settings: uvicorn.Config, tls: TlsConfig | None, cluster_tls: ClusterTls | None) -> Callable[[], None]:
    """Reads certificates again whose files have changed; connections made from then on have them."""
    seen = tls and tls.certificate.stat().st_mtime_ns

    def renew() -> None:
        nonlocal seen
        if cluster_tls is not None:
            cluster_tls.renew()
        if tls is None or settings.ssl is None:
            return
        with contextlib.suppress(OSError):  # it is being written: the next time, then
            changed = tls.certificate.stat().st_mtime_ns
            if changed != seen:
                settings.ssl.load_cert_chain(tls.certificate, tls.key)
                seen = changed
                log.info("the certificate was renewed")

    return renew


def answers_of(config: CacheConfig | None, redis_url: str | None, metrics: Metrics) -> Answers | None:
    if config is None:
        return None
    deeper: list[Level] = []
    if config.redis:
        if redis_url is None:
            raise StartError("cache.redis is on, and no redis_url is set")
        deeper.append(Shared(redis_url, config.ttl_s))
    if config.disk is not None:
        try:
            deeper.append(Disk(config.disk, config.disk_mib * 2**20, config.ttl_s))
        except OSError as error:
            raise StartError(f"cache.disk {str(config.disk)!r} cannot be used: {error.strerror}") from error
    return Answers(config, deeper, metrics)


def configured_keys(config: CoordinatorConfig, admin_key: str | None) -> tuple[ApiKey, ...]:
    keys = config.api_keys
    if admin_key:
        keys += (ApiKey(name="administrator", sha256=digest_of(admin_key.encode()).hex(), role=Role.ADMIN),)
    if not keys and config.host not in LOOPBACK:
        name = contract()["environment"]["admin_key"]
        raise StartError(
            f"host {config.host} is reached from elsewhere, and nobody needs a key: set api_keys or {name}, or "
            "host 127.0.0.1"
        )
    return keys


def run(arguments: list[str]) -> None:
    config = read_config(arguments, CoordinatorConfig)
    uvloop.run(serve(config, cluster_token()))


main("coordinator", run)
