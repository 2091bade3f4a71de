import asyncio
import logging
from pathlib import Path

import uvloop

from novacron_serving.engine import Engine
from novacron_serving.engine.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.engine.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engine.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.loading import Loader
from novacron_serving.worker.registration import Registration

log = logging.getLogger("novacron_serving.worker")


def engine_of(config: WorkerConfig, folder: Path) -> Engine:
    if isinstance(config.engine, PyTorchConfig):
        return PyTorchEngine(folder, config.engine)
    return TensorRtLlmEngine(folder, config.engine)


def adapters_of(config: WorkerConfig) -> tuple[str, ...]:
    lora = config.engine.lora if isinstance(config.engine, TensorRtLlmConfig) else None
    return tuple(lora.adapters) if lora else ()


async def serve(config: WorkerConfig, token: str) -> None:
    bound = listen(config.host, config.port, "port")
    port = bound.getsockname()[1]
    loader = Loader(config, lambda folder: engine_of(config, folder))
    app = loader.app = WorkerApp(config, loader.engine, token, adapters_of(config))
    registration = app.registration = Registration(config, loader, token, port)
    server = DrainingServer(uvicorn_config(app.asgi, config.drain_s), registration.drain)
    serving = asyncio.create_task(server.serve([bound]))
    log.info(
        "%s listens on %s:%s and loads %s", config.worker_id, config.host, port, config.model.path or config.model.url
    )
    try:
        await loader.start()
    except BaseException:
        server.should_exit = True
        await serving
        raise
    log.info("%s is loaded: %s tokens of context", config.model.id, loader.engine.max_context_tokens)
    registering = asyncio.create_task(registration.run())
    # It ends by itself only when no model could be loaded any more: the process has to be started again.
    registering.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await serving
    registering.cancel()
    await loader.engine.unload()


def run(arguments: list[str]) -> None:
    config = read_config(arguments, WorkerConfig)
    uvloop.run(serve(config, cluster_token()))


if __name__ == "__main__":  # TensorRT-LLM's processes import this module again
    main("worker", run)
