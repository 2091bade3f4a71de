"""Start a worker in a pod of a LeaderWorkerSet: `python -m novacron_serving.worker.launch --config FILE`.

Every pod runs the same command. The environment variables of the LeaderWorkerSet tell the pods apart.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.launch import plan_launch
from novacron_serving.errors import StartError
from novacron_serving.server import main, read_config
from novacron_serving.worker.config import WorkerConfig


def choose_command(engine: TensorRtLlmConfig, config_path: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command of this pod. Raises `StartError` if the group does not fit the model."""
    gpus_per_node = engine.gpus_per_node or engine.ranks
    try:
        planned = plan_launch(
            engine.tensor_parallel,
            engine.pipeline_parallel,
            gpus_per_node,
            config_path,
            environment.get("LWS_LEADER_ADDRESS", ""),
        )
    except ValueError as error:
        raise StartError(f"engine: {error}") from error
    size = int(environment.get("LWS_GROUP_SIZE", "1"))
    if size != planned.nodes:
        raise StartError(
            f"LWS_GROUP_SIZE is {size}; it must be {planned.nodes}, because tensor_parallel × pipeline_parallel is "
            f"{engine.ranks} and gpus_per_node {gpus_per_node}; set the LeaderWorkerSet's size to {planned.nodes}"
        )
    return planned.leader if environment.get("LWS_WORKER_INDEX", "0") == "0" else planned.follower


def run(arguments: list[str]) -> None:
    """Replace this process with the command of this pod."""
    config = read_config(arguments, WorkerConfig)
    if not isinstance(config.engine, TensorRtLlmConfig):
        raise StartError(f"engine.kind is {config.engine.kind!r}; only 'tensorrt-llm' can span machines")
    argv = choose_command(config.engine, arguments[1], os.environ)
    if argv[0] == "python":
        argv = (sys.executable, *argv[1:])
    os.execvp(argv[0], argv)  # noqa: S606 - this process has nothing left to do


if __name__ == "__main__":
    main("worker", run)
