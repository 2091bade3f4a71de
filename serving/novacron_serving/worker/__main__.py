import asyncio
import gc
import hashlib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import uvloop

from novacron_serving.cluster_tls import ClusterTls
from novacron_serving.digests import digest_file
from novacron_serving.engines import Engine
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import StartError
from novacron_serving.quality.report import FILE, find_measurement
from novacron_serving.server import DrainingServer, cluster_token, listen, main, read_config, uvicorn_config
from novacron_serving.tracing import make_tracing
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.assignments import AssignmentFollower
from novacron_serving.worker.client_certificates import make_http_protocol
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.instrumentation import Instrumentation
from novacron_serving.worker.loading import Loader, Model
from novacron_serving.worker.registration import Registration

log = logging.getLogger("novacron_serving.worker")


def make_engine(config: WorkerConfig, folder: Path) -> Engine:
    if isinstance(config.engine, PyTorchConfig):
        return PyTorchEngine(folder, config.engine)
    return TensorRtLlmEngine(folder, config.engine)


def find_adapters(config: WorkerConfig) -> Mapping[str, Path]:
    lora = config.engine.lora if isinstance(config.engine, TensorRtLlmConfig) else None
    return lora.adapters if lora else {}


def digest_adapter(folder: Path) -> str:
    """Return the SHA-256 of all files of an adapter, so that cached responses of other weights are not used for it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listing = "".join(f"{path.relative_to(folder).as_posix()} {digest_file(path)}\n" for path in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def export_quality(instrumentation: Instrumentation, config: WorkerConfig, loader: Loader, model: Model) -> None:
    """Export the quality measurement of these weights, if there is one. It reads the weights to compare digests."""
    engine = loader.served.engine
    if not isinstance(engine, PyTorchEngine) or not isinstance(config.engine, PyTorchConfig):
        return  # no tool measures the formats of the other engine
    try:
        measurement = find_measurement(model.folder, config.engine.quantization, engine.dtype)
    except (OSError, StartError) as error:
        log.warning("no quality metrics: %s", error)
        return
    if measurement is None:
        log.info(
            "no quality metrics: %s of %s has no measurement of these weights with quantization %s and dtype %s",
            FILE, model.model_id, config.engine.quantization, engine.dtype,
        )  # fmt: skip
    elif loader.model is model:
        instrumentation.set_quality(measurement)


async def serve(config: WorkerConfig, token: str) -> None:
    tls = config.cluster_tls and ClusterTls(config.cluster_tls)
    bound = listen(config.host, config.port, "port")
    port = bound.getsockname()[1]
    adapters = find_adapters(config)
    traces = make_tracing("novacron-worker")

    def start_quality_export(model: Model) -> None:
        instrumentation.set_quality(None)
        # Large weights take minutes to read. A daemon thread delays neither requests nor the exit.
        arguments = (instrumentation, config, loader, model)
        threading.Thread(target=export_quality, args=arguments, name="quality", daemon=True).start()

    loader = Loader(config, lambda folder: make_engine(config, folder), on_loaded=start_quality_export)
    served = loader.served
    served.adapters = dict.fromkeys(adapters, "")
    instrumentation = Instrumentation(served, traces)
    assignments = AssignmentFollower(served, loader.switch)
    registration = Registration(config, served, assignments, token, port, tls=tls)
    app = WorkerApp(config, served, token, instrumentation, lambda: registration.registered)
    settings = uvicorn_config(app.asgi, config.drain_s, make_http_protocol(tls) if tls else "httptools")
    settings.load()
    settings.ssl = tls and tls.server
    server = DrainingServer(settings, registration.drain)
    renewing = tls and asyncio.create_task(tls.watch_files())
    serving = asyncio.create_task(server.serve([bound]))
    log.info("%s listens on %s:%s", config.worker_id, config.host, port)
    try:
        await loader.start()
    except BaseException:
        server.should_exit = True
        await serving
        raise
    served.adapters = await asyncio.to_thread(
        lambda: {name: digest_adapter(folder) for name, folder in adapters.items()}
    )
    # PyTorch and the model live until the end: the collector need not visit them while it answers requests.
    gc.freeze()
    gc.enable()
    log.info("loaded %s with a context of %s tokens", config.model.id, served.engine.max_context_tokens)
    registering = asyncio.create_task(registration.run())
    # It only ends by itself when the worker is left without a model. The process then has to be restarted.
    registering.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await serving
    await registration.leave()
    registering.cancel()
    if renewing is not None:
        renewing.cancel()
    await served.engine.unload()
    if traces is not None:
        await asyncio.to_thread(traces.close)
    if registering.done() and not registering.cancelled():
        registering.result()  # raises the error that made the worker exit


def run(arguments: list[str]) -> None:
    config = read_config(arguments, WorkerConfig)
    gc.disable()  # while PyTorch is imported and the model is loaded, which takes a sixth longer otherwise
    uvloop.run(serve(config, cluster_token()))


if __name__ == "__main__":  # TensorRT-LLM's processes import this module again
    main("worker", run)
