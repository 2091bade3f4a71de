import logging

import grpc.aio
import uvloop

from novacron_serving.coordinator.app import CoordinatorApp
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.workers import Workers, WorkersService
from novacron_serving.errors import StartError
from novacron_serving.protocol.worker_pb2_grpc import add_WorkersServicer_to_server
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config

log = logging.getLogger("novacron_serving.coordinator")


async def serve(config: CoordinatorConfig, token: str) -> None:
    bound = listen(config.host, config.http_port, "http_port")
    workers = Workers(config)
    app = CoordinatorApp(config, workers)
    grpc_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_WorkersServicer_to_server(WorkersService(workers, config, token), grpc_server)
    try:
        grpc_port = grpc_server.add_insecure_port(f"{config.host}:{config.grpc_port}")
    except RuntimeError as error:
        raise StartError(f"grpc_port {config.grpc_port} on {config.host} cannot be used; choose another") from error
    await grpc_server.start()
    server = DrainingServer(uvicorn_config(app.asgi, config.drain_s), app.drain)
    log.info("serves http on %s:%s, workers on %s:%s", config.host, bound.getsockname()[1], config.host, grpc_port)
    await server.serve([bound])
    await grpc_server.stop(1.0)


def run(arguments: list[str]) -> None:
    config = read_config(arguments, CoordinatorConfig)
    uvloop.run(serve(config, cluster_token()))


main("coordinator", run)
