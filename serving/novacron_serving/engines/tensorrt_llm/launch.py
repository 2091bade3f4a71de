"""Plans how to start a worker: alone, or in the pods of a LeaderWorkerSet if its model spans machines.

`mpirun` runs `trtllm-llmapi-launch` once for each GPU. On rank 0 that starts the worker, the only process that serves
HTTP. On the other ranks it starts a process that waits for the library's work (NVIDIA/TensorRT-LLM,
tensorrt_llm/llmapi/trtllm-llmapi-launch).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NO_TELEMETRY: Mapping[str, str] = {"TRTLLM_NO_USAGE_STATS": "1"}
"""Without it, the library sends usage data to NVIDIA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The commands of a group's pods."""

    nodes: int
    leader: tuple[str, ...]
    """Command of the first or only pod."""
    follower: tuple[str, ...]
    """Command of the other pods. Empty: there is only one pod."""
    followers: tuple[str, ...]
    """Host names of the other pods."""
    environment: Mapping[str, str]


def plan_launch(
    tensor_parallel: int,
    pipeline_parallel: int,
    gpus_per_node: int,
    config_path: str,
    leader_address: str = "",
    ssh_folder: str = "",
    interface: str | None = None,
) -> Launch:
    """Plan the start of a worker whose model is split over several GPUs.

    Args:
        tensor_parallel: number of GPUs that share each layer.
        pipeline_parallel: number of pipeline stages.
        gpus_per_node: number of GPUs per machine.
        config_path: path of the worker's configuration file, the same on each machine.
        leader_address: `LWS_LEADER_ADDRESS`, `<set>-<group>.<service>.<namespace>`. Required for several machines.
        ssh_folder: folder of `ssh_config` and `sshd_config`.
        interface: the network interface of `mpirun`, where a pod has several. None: any.

    Raises:
        ValueError: the GPUs do not fill whole machines, the configuration path has a space, or the leader's address is
            missing.
    """
    ranks = tensor_parallel * pipeline_parallel
    worker = ("python", "-m", "novacron_serving.worker", "--config", config_path)
    if ranks <= gpus_per_node:
        # The library starts its own processes on one machine.
        return Launch(nodes=1, leader=worker, follower=(), followers=(), environment=NO_TELEMETRY)
    if ranks % gpus_per_node:
        raise ValueError(
            f"tensor_parallel × pipeline_parallel is {ranks}; it must be a multiple of gpus_per_node, which is "
            f"{gpus_per_node}"
        )
    if any(character.isspace() for character in config_path):
        raise ValueError(
            f"config_path {config_path!r}: it must not contain spaces, because trtllm-llmapi-launch splits it there"
        )
    nodes = ranks // gpus_per_node
    hosts = list_hosts(leader_address, nodes)
    interfaces = (
        ("--mca", "btl_tcp_if_include", interface, "--mca", "oob_tcp_if_include", interface) if interface else ()
    )
    mpirun = (
        *("mpirun", "--allow-run-as-root", "-np", str(ranks)),
        *("--host", ",".join(f"{host}:{gpus_per_node}" for host in hosts)),
        *("--mca", "plm_rsh_agent", f"ssh -F {ssh_folder}/ssh_config"),
        # Pods of different groups share the first part of their names.
        *("--mca", "orte_keep_fqdn_hostnames", "1"),
        *interfaces,
        # The servers give their own environment to the ranks, except for this.
        *(argument for name in NO_TELEMETRY for argument in ("-x", name)),
    )
    return Launch(
        nodes=nodes,
        leader=(*mpirun, "trtllm-llmapi-launch", *worker),
        follower=("/usr/sbin/sshd", "-D", "-e", "-f", f"{ssh_folder}/sshd_config"),
        followers=tuple(hosts[1:]),
        environment=NO_TELEMETRY,
    )


def list_hosts(leader_address: str, nodes: int) -> list[str]:
    """Return the host names of a group's pods. Raises `ValueError` for a leader address that is empty or has no dot."""
    pod, dot, domain = leader_address.partition(".")
    if not dot:
        raise ValueError(
            f"LWS_LEADER_ADDRESS is {leader_address!r}; with several machines it must be "
            "<set>-<group>.<service>.<namespace>"
        )
    return [leader_address, *(f"{pod}-{index}.{domain}" for index in range(1, nodes))]
