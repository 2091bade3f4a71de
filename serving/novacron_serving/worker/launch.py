"""Start a worker in a pod of a LeaderWorkerSet: `python -m novacron_serving.worker.launch --config FILE`.

Every pod runs the same command. The environment variables of the LeaderWorkerSet tell the pods apart. A pod that is not
the leader downloads the model and then runs an SSH server, so a connection to its port means that it has the weights.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.launch import Launch, plan_launch
from novacron_serving.errors import StartError
from novacron_serving.models import download, open_folder
from novacron_serving.server import cluster_token, main, read_config
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.ssh import wait_for_servers, write_files
from novacron_serving.worker.supervision import run_mpi, run_server

SSH_FOLDER = Path("~/.ssh-ranks")

log = logging.getLogger("novacron_serving.worker")


def plan(engine: TensorRtLlmConfig, config_path: str, environment: Mapping[str, str]) -> Launch:
    """Return the commands of the group. Raises `StartError` if the group does not fit the model."""
    gpus_per_node = engine.gpus_per_node or engine.ranks
    try:
        planned = plan_launch(
            engine.tensor_parallel,
            engine.pipeline_parallel,
            gpus_per_node,
            config_path,
            environment.get("LWS_LEADER_ADDRESS", ""),
            str(SSH_FOLDER.expanduser()),
            environment.get("NCCL_SOCKET_IFNAME"),
        )
    except ValueError as error:
        raise StartError(f"engine: {error}") from error
    size = int(environment.get("LWS_GROUP_SIZE", "1"))
    if size != planned.nodes:
        raise StartError(
            f"LWS_GROUP_SIZE is {size}; it must be {planned.nodes}, because tensor_parallel × pipeline_parallel is "
            f"{engine.ranks} and gpus_per_node {gpus_per_node}; set the LeaderWorkerSet's size to {planned.nodes}"
        )
    return planned


def is_leader(environment: Mapping[str, str]) -> bool:
    """Return whether this pod is the first or only one of its group."""
    return environment.get("LWS_WORKER_INDEX", "0") == "0"


def run(arguments: list[str]) -> None:
    """Download the model, connect the pods of the group, and run the command of this pod."""
    config = read_config(arguments, WorkerConfig)
    engine = config.engine
    if not isinstance(engine, TensorRtLlmConfig):
        raise StartError(f"engine.kind is {engine.kind!r}; only 'tensorrt-llm' can span machines")
    planned = plan(engine, arguments[1], os.environ)
    if planned.nodes == 1:
        os.execv(sys.executable, [sys.executable, *planned.leader[1:]])  # noqa: S606 - this process has nothing left to do
    os.environ.update(planned.environment)
    write_files(SSH_FOLDER.expanduser(), cluster_token(), engine.launch_port, os.environ)
    # Every rank reads the weights from its own machine. The worker finds them in the cache.
    _download(config)
    if not is_leader(os.environ):
        sys.exit(run_server(planned.follower))
    wait_for_servers(planned.followers, engine.launch_port, config.loader.timeout_s)
    program, *rest = planned.leader
    # With its absolute path, mpirun also finds its own programs on the other machines.
    sys.exit(run_mpi([shutil.which(program) or program, *rest]))


def _download(config: WorkerConfig) -> None:
    if config.model.url is not None:
        log.info("downloading %s before the ranks start", config.model.url)
        download(open_folder(config.model.url, config.store_mounts), config.model_cache.expanduser(), config.loader)


if __name__ == "__main__":
    main("worker", run)
