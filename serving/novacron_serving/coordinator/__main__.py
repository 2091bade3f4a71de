"""The coordinator process: one address for clients, in front of all workers."""

import asyncio
import gc
import logging
import os
from collections.abc import Callable

import grpc.aio
import uvloop

from novacron_serving.clock import SYSTEM_CLOCK
from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.coordinator.api.app import CoordinatorApp
from novacron_serving.coordinator.api.keys import KeysApi
from novacron_serving.coordinator.api.models import ModelsApi
from novacron_serving.coordinator.background_tasks import BackgroundTasks
from novacron_serving.coordinator.cache.response_cache import CacheLevel, ResponseCache
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.connections import ClientConnections, max_connections
from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.cross_site import LOOPBACK_HOSTS, CrossSiteGuard
from novacron_serving.coordinator.http.observers import RequestObserver
from novacron_serving.coordinator.http.protocol import http_protocol_class
from novacron_serving.coordinator.limits.authentication import ApiKey, Authenticator, Role, hash_key
from novacron_serving.coordinator.limits.rate_limits import SharedRateLimits
from novacron_serving.coordinator.listeners import ApiCertificate, open_listeners, serve_metrics
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.database import Store
from novacron_serving.coordinator.registry.registration import WorkersService
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Workers
from novacron_serving.errors import StartError
from novacron_serving.protocol import contract
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.server import DrainingServer, cluster_token, main, read_config, uvicorn_config
from novacron_serving.tracing import Tracing, make_tracing

log = logging.getLogger("novacron_serving.coordinator")


async def serve(config: CoordinatorConfig, token: str) -> None:
    clock = SYSTEM_CLOCK
    names = contract()["environment"]
    keys = collect_keys(config, os.environ.get(names["admin_key"]))
    cluster_tls = config.cluster_tls and ClusterTls(config.cluster_tls)
    certificate = config.tls and ApiCertificate(config.tls)
    workers = Workers(config, token, cluster_tls, clock)
    authenticator = Authenticator(keys, needs_key=bool(keys), clock=clock)
    database_url = config.database_url or os.environ.get(names["database_url"])
    redis_url = config.redis_url or os.environ.get(names["redis_url"])
    metrics = Metrics()
    cache = response_cache(config, redis_url, metrics)
    scheduler = Scheduler(config, workers, metrics, clock)
    store = Store(database_url, config.database_password_file) if database_url else None
    assignments = Assignments(store, clock)
    rate_limits = SharedRateLimits(redis_url, config.redis, authenticator) if redis_url else None
    background_tasks = BackgroundTasks(scheduler, authenticator, keys, store, rate_limits, workers, assignments, clock)
    # Errors in the configuration are reported before its ports are tried.
    listeners = open_listeners(config, certificate)
    await background_tasks.refresh_keys()
    await background_tasks.refresh_models()
    models = ModelsApi(config, store, workers, assignments)
    keys_api = KeysApi(store, background_tasks, authenticator, keys)
    guard = CrossSiteGuard(
        host=config.host,
        allowed_hosts=config.allowed_hosts,
        cors_origins=config.cors_origins,
        needs_key=authenticator.needs_key,
    )
    app = CoordinatorApp(
        config, workers, scheduler, authenticator, guard, background_tasks, keys_api, models, assignments
    )
    grpc_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service = WorkersService(workers, scheduler, config, token, assignments, cluster_tls)
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
        scheduler.draining = True
        await clock.sleep(config.drain_notice_s)

    traces = make_tracing("novacron-coordinator")
    connections = ClientConnections(max_connections())
    context = ProxyContext(scheduler, authenticator, guard, make_observers(traces), cache)
    http = http_protocol_class(context, connections)
    server = DrainingServer(uvicorn_config(app.asgi, config.drain_s, http), drain, listeners.tls)
    log.info("listening on %s: %s, gRPC for workers on port %s", config.host, listeners.describe(), grpc_port)
    # The objects that exist now live until the end: the collector need not visit them while requests wait.
    gc.collect()
    gc.freeze()
    metrics_server = None if listeners.metrics is None else await serve_metrics(listeners.metrics, metrics)
    tasks = asyncio.create_task(background_tasks.run(certificate_reloader(certificate, cluster_tls), connections.tick))
    serving = asyncio.create_task(server.serve(listeners.plain))
    await asyncio.wait({tasks, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    if metrics_server is not None:
        metrics_server.close()
    tasks.cancel()
    await grpc_server.stop(1.0)
    await background_tasks.close()
    if traces is not None:
        await asyncio.to_thread(traces.close)
    if not tasks.cancelled() and tasks.done():
        tasks.result()  # raises the error of a background task, which has stopped the coordinator


def certificate_reloader(api: ApiCertificate | None, cluster_tls: ClusterTls | None) -> Callable[[], None]:
    """Return a function that reloads certificates whose files have changed."""

    def reload() -> None:
        if cluster_tls is not None:
            cluster_tls.renew()
        if api is not None:
            api.renew()

    return reload


def make_observers(tracing: Tracing | None) -> Callable[[], tuple[RequestObserver, ...]]:
    """Return a function that makes the observers of one request."""
    if tracing is None:
        return tuple
    from novacron_serving.coordinator.http.instrumentation import RequestTrace  # needs optional packages

    return lambda: (RequestTrace(tracing, SYSTEM_CLOCK),)


def response_cache(config: CoordinatorConfig, redis_url: str | None, metrics: Metrics) -> ResponseCache | None:
    """Return the configured cache. Its libraries are imported only if there is one."""
    cache = config.cache
    if cache is None:
        return None
    from novacron_serving.coordinator.cache.levels import DiskLevel, MemoryLevel, RedisLevel

    levels: list[CacheLevel] = []
    if cache.redis:
        if redis_url is None:
            raise StartError("cache.redis is true, but redis_url is not set; set it, or cache.redis to false")
        levels.append(RedisLevel(redis_url, config.redis))
    if cache.disk is not None:
        try:
            levels.append(DiskLevel(cache.disk, cache.disk_mib * 2**20))
        except OSError as error:
            raise StartError(f"cache.disk {str(cache.disk)!r} cannot be used: {error.strerror}") from error
    return ResponseCache(cache, MemoryLevel(cache.memory_mib * 2**20), levels, metrics)


def collect_keys(config: CoordinatorConfig, admin_key: str | None) -> tuple[ApiKey, ...]:
    keys = config.api_keys
    if admin_key:
        keys += (ApiKey(name="administrator", sha256=hash_key(admin_key.encode()).hex(), role=Role.ADMIN),)
    if not keys and config.host not in LOOPBACK_HOSTS:
        name = contract()["environment"]["admin_key"]
        raise StartError(
            f"host is {config.host}, which other machines can reach, but no API key is configured; set api_keys or "
            f"{name}, or host to 127.0.0.1"
        )
    return keys


def run(arguments: list[str]) -> None:
    config = read_config(arguments, CoordinatorConfig)
    uvloop.run(serve(config, cluster_token()))


main("coordinator", run)
