"""The coordinator: one address for clients, in front of all workers."""

import asyncio
import gc
import logging

import grpc.aio
import uvloop

from novacron_serving.coordinator.app import CoordinatorApp
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.front import front
from novacron_serving.coordinator.gate import Gate
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registration import WorkersService
from novacron_serving.coordinator.workers import Workers
from novacron_serving.errors import StartError
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config

TICK_S = 0.25

log = logging.getLogger("novacron_serving.coordinator")


async def serve(config: CoordinatorConfig, token: str) -> None:
    bound = listen(config.host, config.http_port, "http_port")
    workers = Workers(config, token)
    gate = Gate(config, workers, Metrics())
    app = CoordinatorApp(config, workers, gate)
    grpc_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_WorkersServicer_to_server(WorkersService(workers, gate, config, token), grpc_server)
    try:
        grpc_port = grpc_server.add_insecure_port(f"{config.host}:{config.grpc_port}")
    except RuntimeError as error:
        raise StartError(f"grpc_port {config.grpc_port} on {config.host} cannot be used; choose another") from error
    await grpc_server.start()

    async def drain() -> None:
        gate.draining = True
        await asyncio.sleep(config.drain_notice_s)

    server = DrainingServer(uvicorn_config(app.asgi, config.drain_s, http=front(gate)), drain)
    log.info("serves http on %s:%s, workers on %s:%s", config.host, bound.getsockname()[1], config.host, grpc_port)
    # What is there now stays: the collector need not look at it again and again while requests wait.
    gc.collect()
    gc.freeze()
    ticking = asyncio.create_task(tick(gate))
    await server.serve([bound])
    ticking.cancel()
    await grpc_server.stop(1.0)


async def tick(gate: Gate) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        gate.tick()


def run(arguments: list[str]) -> None:
    config = read_config(arguments, CoordinatorConfig)
    uvloop.run(serve(config, cluster_token()))


main("coordinator", run)
