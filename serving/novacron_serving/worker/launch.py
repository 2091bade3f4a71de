"""Start a worker in a pod of a LeaderWorkerSet: `python -m novacron_serving.worker.launch --config FILE`.

The same command in each pod: the set's variables say which of them this one is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.launch import launch
from novacron_serving.errors import StartError
from novacron_serving.server import main, read_config
from novacron_serving.worker.config import WorkerConfig


def command(engine: TensorRtLlmConfig, config_path: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What this pod runs. Raises `StartError` when the group is not what the model needs."""
    try:
        planned = launch(
            engine.tensor_parallel,
            engine.pipeline_parallel,
            engine.gpus_per_node or engine.ranks,
            config_path,
            environment.get("LWS_LEADER_ADDRESS", ""),
        )
    except ValueError as error:
        raise StartError(f"engine: {error}") from error
    size = int(environment.get("LWS_GROUP_SIZE", "1"))
    if size != planned.nodes:
        raise StartError(
            f"LWS_GROUP_SIZE is {size}, but the model needs {planned.nodes} machines of {engine.gpus_per_node} GPUs; "
            "set the LeaderWorkerSet's size to it"
        )
    return planned.leader if environment.get("LWS_WORKER_INDEX", "0") == "0" else planned.follower


def run(arguments: list[str]) -> None:
    """Become what this pod runs."""
    config = read_config(arguments, WorkerConfig)
    if not isinstance(config.engine, TensorRtLlmConfig):
        raise StartError(f"engine.kind is {config.engine.kind!r}; only 'tensorrt-llm' spans machines")
    argv = command(config.engine, arguments[1], os.environ)
    if argv[0] == "python":
        argv = (sys.executable, *argv[1:])
    os.execvp(argv[0], argv)  # noqa: S606 - this process has nothing left to do


if __name__ == "__main__":
    main("worker", run)
