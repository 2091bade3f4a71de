"""How a worker is started: alone, or as one of a LeaderWorkerSet's group when its model spans machines.

`trtllm-llmapi-launch` runs once for each GPU, under `mpirun`. On rank 0 it starts the worker, which is the only one to
serve HTTP; on the others, a process that waits for the library's work (NVIDIA/TensorRT-LLM,
tensorrt_llm/llmapi/trtllm-llmapi-launch).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NO_TELEMETRY: Mapping[str, str] = {"TRTLLM_NO_USAGE_STATS": "1"}
"""The library sends usage figures to NVIDIA otherwise."""
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", *NO_TELEMETRY)
"""Variables that ssh would not take to the other machines."""
SSH_PORT = 2222


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Commands of a group's pods."""

    nodes: int
    leader: tuple[str, ...]
    """Of the first pod, or the only one."""
    follower: tuple[str, ...]
    """Of the others; empty when there are none."""
    environment: Mapping[str, str]


def launch(
    tensor_parallel: int, pipeline_parallel: int, gpus_per_node: int, config_path: str, leader_address: str = ""
) -> Launch:
    """How to start a worker whose model is spread over so many GPUs.

    Args:
        tensor_parallel: GPUs that share each layer.
        pipeline_parallel: Groups of such GPUs, one after the other.
        gpus_per_node: GPUs of a machine.
        config_path: The worker's configuration file, the same on each machine.
        leader_address: `LWS_LEADER_ADDRESS`: `<set>-<group>.<service>.<namespace>`. Needed over several machines.

    Raises:
        ValueError: for a number of GPUs that fills no whole machines, or what the launcher cannot pass on.
    """
    ranks = tensor_parallel * pipeline_parallel
    worker = ("python", "-m", "novacron_serving.worker", "--config", config_path)
    if ranks <= gpus_per_node:
        # The library starts its own processes on one machine.
        return Launch(nodes=1, leader=worker, follower=(), environment=NO_TELEMETRY)
    if ranks % gpus_per_node:
        raise ValueError(
            f"tensor_parallel × pipeline_parallel is {ranks}, no multiple of gpus_per_node {gpus_per_node}: "
            "machines are used whole"
        )
    if any(character.isspace() for character in config_path):
        raise ValueError(f"config_path {config_path!r}: trtllm-llmapi-launch splits it at spaces; name one without")
    nodes = ranks // gpus_per_node
    mpirun = (
        *("mpirun", "--allow-run-as-root", "-np", str(ranks)),
        *("--host", ",".join(f"{host}:{gpus_per_node}" for host in hosts(leader_address, nodes))),
        *("--mca", "plm_rsh_args", f"-p {SSH_PORT}"),
        *(argument for name in PASSED_ON for argument in ("-x", name)),
    )
    return Launch(
        nodes=nodes,
        leader=(*mpirun, "trtllm-llmapi-launch", *worker),
        follower=("/usr/sbin/sshd", "-D", "-e", "-p", str(SSH_PORT)),
        environment=NO_TELEMETRY,
    )


def hosts(leader_address: str, nodes: int) -> list[str]:
    """Names of a group's pods, by which a LeaderWorkerSet makes them known. Raises `ValueError` without a leader's."""
    pod, dot, domain = leader_address.partition(".")
    if not dot:
        raise ValueError(
            f"LWS_LEADER_ADDRESS is {leader_address!r}; several machines need <set>-<group>.<service>.<namespace>"
        )
    return [leader_address, *(f"{pod}-{index}.{domain}" for index in range(1, nodes))]
