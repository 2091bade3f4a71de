"""Node configuration of a machine type: GPUs by their Google Cloud names, disks, and the tuning that GKE allows.

GKE's node system config allows kubelet and sysctl settings from a fixed list, and transparent huge pages.
It has no setting for the CPU governor, zone reclaim, NUMA balancing, persistence mode or application clocks, and its
images take no user data. The configuration depends only on the machine type; golden files have one for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from novacron_infra.catalog import CatalogError, Hyperdisk, Machine, find_gpu

_SOCKET_BUFFER_BYTES = 256 * 2**20
SYSCTLS = {
    "net.core.netdev_max_backlog": "30000",
    "net.core.rmem_max": str(_SOCKET_BUFFER_BYTES),
    "net.core.wmem_max": str(_SOCKET_BUFFER_BYTES),
    "net.ipv4.tcp_rmem": f"4096 131072 {_SOCKET_BUFFER_BYTES}",
    "net.ipv4.tcp_wmem": f"4096 65536 {_SOCKET_BUFFER_BYTES}",
}
HUGE_PAGES = "TRANSPARENT_HUGEPAGE_ENABLED_NEVER"
HUGE_PAGES_DEFRAG = "TRANSPARENT_HUGEPAGE_DEFRAG_NEVER"
LOCAL_SSD_GB = 375


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalSsds:
    """How many disks of 375 GB a node may have for images, pods' files and logs."""

    allowed: tuple[int, ...]
    default: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KubeletConfig:
    """Kubelet settings that differ from GKE's defaults."""

    cpu_manager_policy: str
    topology_manager_policy: str


def find_accelerator(machine_type: Machine) -> str | None:
    """Return the Google Cloud name of a machine's GPU, or None without a GPU.

    Raises:
        CatalogError: if Google Cloud does not have the GPU.
    """
    if machine_type.gpu is None:
        return None
    name = machine_type.gke.accelerator or find_gpu(machine_type.gpu).gke_accelerator
    if name is None:
        raise CatalogError(f"{machine_type.name}: Google Cloud has no name for {machine_type.gpu}")
    return name


def find_local_ssds(machine_type: Machine) -> LocalSsds:
    """The local disks of a machine: what the catalogue says, or what one may choose."""
    if allowed := machine_type.gke.local_ssds:
        return LocalSsds(allowed=allowed, default=allowed[0])
    count = (machine_type.local_nvme_gb or 0) // LOCAL_SSD_GB
    return LocalSsds(allowed=(count,), default=count)


def choose_boot_disk_type(machine_type: Machine) -> str:
    """The fastest type of boot disk that the machine's series takes at a size alone."""
    return "hyperdisk-balanced" if machine_type.gke.hyperdisk is Hyperdisk.ONLY else "pd-ssd"


def build_kubelet_config(machine_type: Machine) -> KubeletConfig | None:
    """GPU nodes give whole cores of the GPUs' own NUMA node to pods that ask for whole ones."""
    if machine_type.gpu is None:
        return None
    return KubeletConfig(cpu_manager_policy="static", topology_manager_policy="best-effort")


def render_system_config(machine_type: Machine) -> str:
    """The node system config as the file that `gcloud container node-pools create --system-config-from-file` takes."""
    kubelet: dict[str, object] = {"insecureKubeletReadonlyPortEnabled": False}
    if (own := build_kubelet_config(machine_type)) is not None:
        kubelet |= {
            "cpuManagerPolicy": own.cpu_manager_policy,
            "topologyManager": {"policy": own.topology_manager_policy},
        }
    linux = {
        "sysctl": SYSCTLS,
        "transparentHugepageEnabled": HUGE_PAGES,
        "transparentHugepageDefrag": HUGE_PAGES_DEFRAG,
    }
    return yaml.safe_dump({"kubeletConfig": kubelet, "linuxConfig": linux}, sort_keys=False, width=1000)
