import asyncio
import hashlib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import uvloop

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.engines import Engine
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import StartError
from novacron_serving.quality.report import FILE, file_digest, measured
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config
from novacron_serving.tracing import tracing
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.certified import certified
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.loading import Loader
from novacron_serving.worker.registration import Registration

log = logging.getLogger("novacron_serving.worker")


def engine_of(config: WorkerConfig, folder: Path) -> Engine:
    if isinstance(config.engine, PyTorchConfig):
        return PyTorchEngine(folder, config.engine)
    return TensorRtLlmEngine(folder, config.engine)


def adapters_of(config: WorkerConfig) -> Mapping[str, Path]:
    lora = config.engine.lora if isinstance(config.engine, TensorRtLlmConfig) else None
    return lora.adapters if lora else {}


def digest_of_adapter(folder: Path) -> str:
    """Of all its files: an answer of other weights is not given again for it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    said = "".join(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n" for path in files)
    return hashlib.sha256(said.encode()).hexdigest()


def tell_quality(app: WorkerApp, config: WorkerConfig, loader: Loader) -> None:
    """What `novacron quality` measured of just this model, quantised like this; it reads the weights to be sure."""
    engine, model = loader.engine, loader.model
    if not isinstance(engine, PyTorchEngine) or not isinstance(config.engine, PyTorchConfig):
        return  # nothing measures the other engine's formats
    try:
        found = measured(model.folder, config.engine.quantization, engine.dtype)
    except (OSError, StartError) as error:
        log.warning("no quality is told: %s", error)
        return
    if found is None:
        log.info("%s has no measurement of these weights, so quantised, in %s", model.model_id, FILE)
    elif loader.model is model:
        app.tell_quality(found)


async def serve(config: WorkerConfig, token: str) -> None:
    tls = config.cluster_tls and ClusterTls(config.cluster_tls)
    bound = listen(config.host, config.port, "port")
    port = bound.getsockname()[1]
    loader = Loader(config, lambda folder: engine_of(config, folder))
    adapters = adapters_of(config)
    traces = tracing("novacron-worker")
    app = loader.app = WorkerApp(config, loader.engine, token, tuple(adapters), traces)

    def telling() -> None:
        # A daemon: large weights take minutes to read, and neither requests nor a stop wait for it.
        threading.Thread(target=tell_quality, args=(app, config, loader), name="quality", daemon=True).start()

    loader.loaded = telling
    registration = app.registration = Registration(config, loader, token, port, tls)
    settings = uvicorn_config(app.asgi, config.drain_s, certified(tls) if tls else "httptools")
    settings.load()
    settings.ssl = tls and tls.server
    server = DrainingServer(settings, registration.drain)
    renewing = tls and asyncio.create_task(tls.keep())
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
    registration.adapters = await asyncio.to_thread(
        lambda: {name: digest_of_adapter(folder) for name, folder in adapters.items()}
    )
    log.info("%s is loaded: %s tokens of context", config.model.id, loader.engine.max_context_tokens)
    registering = asyncio.create_task(registration.run())
    # It ends by itself only when no model could be loaded any more: the process has to be started again.
    registering.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await serving
    await registration.leave()
    registering.cancel()
    if renewing is not None:
        renewing.cancel()
    await loader.engine.unload()
    if traces is not None:
        await asyncio.to_thread(traces.close)
    if registering.done() and not registering.cancelled():
        registering.result()  # what ended it, and so the worker


def run(arguments: list[str]) -> None:
    config = read_config(arguments, WorkerConfig)
    uvloop.run(serve(config, cluster_token()))


if __name__ == "__main__":  # TensorRT-LLM's processes import this module again
    main("worker", run)
