"""Linux OS and kubelet configuration that AKS applies before a node joins, with the SDK's names.

AKS runs no user data. `NOT_SET_HERE` lists settings that it does not have, and what sets them instead. The
configuration depends only on the machine type; golden files have one for each.
"""

from __future__ import annotations

from typing import Any

from novacron_infra.catalog import Machine

MAX_SOCKET_BUFFER_BYTES = 128 * 2**20
"""Maximum of net.core.rmem_max and wmem_max on AKS, half the value of nodes in other clouds.

AKS custom node configuration reference, read on 2026-11-25.
"""
NOT_SET_HERE = {
    "GPU persistence mode and application clocks": "the owner of the GPU stack: the driver's container, or a DaemonSet",
    "CPU governor": "the hypervisor",
    "net.ipv4.tcp_rmem and tcp_wmem, vm.zone_reclaim_mode, kernel.numa_balancing": "a DaemonSet",
    "unlimited locked memory": "the network operator, with the InfiniBand driver",
    "one array of the local NVMe disks": "Azure Container Storage, or a DaemonSet",
}
"""Tuning that AKS has no property for: who does it."""
_SYSCTLS = {
    "net_core_rmem_max": MAX_SOCKET_BUFFER_BYTES,
    "net_core_wmem_max": MAX_SOCKET_BUFFER_BYTES,
    "net_core_netdev_max_backlog": 30000,
}
_IMAGE_GC_HIGH_PERCENT, _IMAGE_GC_LOW_PERCENT = 85, 80
_CONTAINER_LOG_MB, _CONTAINER_LOG_FILES = 50, 5


def build_linux_os_config() -> dict[str, Any]:
    """The same for every machine: what is tuned is Linux, and the same Linux everywhere."""
    return {
        "sysctls": dict(_SYSCTLS),
        "transparent_huge_page_enabled": "never",
        "transparent_huge_page_defrag": "never",
    }


def build_kubelet_config(machine_type: Machine) -> dict[str, Any]:
    """Machines with GPUs give whole cores, near to the GPUs, to pods that ask for whole cores."""
    config: dict[str, Any] = {
        "image_gc_high_threshold": _IMAGE_GC_HIGH_PERCENT,
        "image_gc_low_threshold": _IMAGE_GC_LOW_PERCENT,
        "container_log_max_size_mb": _CONTAINER_LOG_MB,
        "container_log_max_files": _CONTAINER_LOG_FILES,
    }
    if machine_type.gpu is not None:
        # Best effort: a pod whose cores and GPUs do not lie together still starts.
        config |= {"cpu_manager_policy": "static", "topology_manager_policy": "best-effort"}
    return config


def build_node_config(machine_type: Machine) -> dict[str, Any]:
    """Both, as properties of an agent pool."""
    return {"linux_os_config": build_linux_os_config(), "kubelet_config": build_kubelet_config(machine_type)}
