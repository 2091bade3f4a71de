"""The network between the pods of a replica that spans nodes: resources, environment, volumes and rights, by fabric.

EFA needs no rights for NCCL. On Google Cloud, pods mount folders of the node and have a daemon with a capability, so
their namespace cannot enforce a Pod Security Standard; `EXEMPTION_REASONS` says why. What would need a privileged
container (KV transfer by NIXL on EFA, NVSHMEM) cannot be configured.

Sources, read on 2026-11-30: Dynamo's guides to EFA on EKS and InfiniBand on AKS (`eks/efa.md`, `aks/rdma-infiniband.md`
in `docs/kubernetes/cloud-providers` of ai-dynamo/dynamo), and three tests of
GoogleCloudPlatform/container-engine-accelerators: `nccl-test-unprivileged-without-hostnetwork.yaml` of `gpudirect-tcpx`
and `gpudirect-tcpxo`, and `gpudirect-rdma/nccl-test.yaml`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi_kubernetes as k8s

from novacron_infra.catalog import FabricKind
from novacron_infra.plan.serving import PodFabric
from novacron_infra.pools import EFA_RESOURCE, INFINIBAND_RESOURCE

EXEMPTION_REASONS: Mapping[FabricKind, str] = {
    FabricKind.TCPX: "TCPX: pods mount the node's driver and sockets, and a daemon as root has NET_ADMIN",
    FabricKind.TCPXO: "TCPXO: pods mount the node's driver and /dev/aperture_devices, and a daemon as root has "
    "NET_ADMIN and NET_BIND_SERVICE",
    FabricKind.ROCE: "RoCE on GKE: pods mount the node's driver and NCCL plugin",
}
"""Why the namespace of GPU workers cannot enforce the Pod Security Standard `restricted`, by fabric."""
_GKE_LIBRARIES = "/usr/local/nvidia/lib64"
_DRIVER_PATH = "/home/kubernetes/bin/nvidia/lib64"
_DEVICES = (*(f"/dev/nvidia{index}" for index in range(8)), "/dev/nvidiactl", "/dev/nvidia-uvm")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFolder:
    """A folder of the node that a container mounts."""

    name: str
    path: str
    mount_path: str
    read_only: bool = True

    def volume(self) -> k8s.core.v1.VolumeArgs:
        """Return the folder's volume."""
        return k8s.core.v1.VolumeArgs(name=self.name, host_path=k8s.core.v1.HostPathVolumeSourceArgs(path=self.path))

    def mount(self) -> k8s.core.v1.VolumeMountArgs:
        """Return where a container has the folder."""
        return k8s.core.v1.VolumeMountArgs(name=self.name, mount_path=self.mount_path, read_only=self.read_only)


@dataclass(frozen=True, kw_only=True, slots=True)
class FabricDaemon:
    """A daemon in the pod that moves data between GPUs and network. It runs as root and starts before the worker."""

    name: str
    image: str | None
    command: tuple[str, ...]
    capabilities: tuple[str, ...]
    folders: tuple[HostFolder, ...]
    """Folders of the node. The first one has the driver's libraries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FabricPod:
    """The parts that a fabric adds to a pod."""

    resources: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the worker. The launcher passes them on to every rank."""
    libraries: tuple[str, ...] = ()
    """Folders that come first in LD_LIBRARY_PATH."""
    profile: str | None = None
    """A shell script that sets NCCL's variables, which the worker's command sources."""
    folders: tuple[HostFolder, ...] = ()
    daemon: FabricDaemon | None = None


def describe_fabric(fabric: PodFabric | None) -> FabricPod:
    """Return the parts that a fabric adds to the pods of a replica; empty for a replica within a node."""
    if fabric is None:
        return FabricPod()
    return _DESCRIPTIONS[fabric.kind](fabric)


def _describe_efa(fabric: PodFabric) -> FabricPod:
    return FabricPod(
        # The nodes' image reserves 5,128 huge pages of 2 MiB for EFA.
        resources={EFA_RESOURCE: str(fabric.interfaces), "hugepages-2Mi": "5120Mi"},
        environment={
            "FI_PROVIDER": "efa",
            "FI_EFA_USE_DEVICE_RDMA": "1",
            "FI_EFA_ENABLE_SHM_TRANSFER": "0",
            "FI_EFA_FORK_SAFE": "0",
            "FI_EFA_USE_HUGE_PAGE": "1",
            "FI_EFA_MR_MAX_CACHED_COUNT": "524288",
        },
        libraries=("/opt/amazon/efa/lib", "/opt/aws-ofi-nccl/lib"),
    )


def _describe_infiniband(fabric: PodFabric) -> FabricPod:
    # IPC_LOCK would not help: a capability is not effective for a process that is not root. So the node's container
    # runtime must not limit locked memory.
    devices = ",".join(f"mlx5_{index}:1" for index in range(fabric.interfaces))
    return FabricPod(
        resources={INFINIBAND_RESOURCE: "1"},
        environment={"UCX_NET_DEVICES": devices, "NCCL_SOCKET_IFNAME": "eth0"},
    )


def _describe_roce(fabric: PodFabric) -> FabricPod:
    return FabricPod(
        # GKE adds `networking.gke.io.networks/rdma-0` and `.IP` because of the annotation. Newer nodes have only the
        # latter, and a pod that asks for the former stays pending.
        resources={f"networking.gke.io.networks/rdma-{index}": "0" for index in range(fabric.interfaces)},
        annotations=_list_interfaces([f"rdma-{index}" for index in range(fabric.interfaces)], first=2),
        libraries=("/usr/local/gib/lib64", _GKE_LIBRARIES),
        profile="/usr/local/gib/scripts/set_nccl_env.sh",
        folders=(
            HostFolder(name="nvidia", path="/home/kubernetes/bin/nvidia", mount_path="/usr/local/nvidia"),
            HostFolder(name="gib", path="/home/kubernetes/bin/gib", mount_path="/usr/local/gib"),
        ),
    )


def _describe_tcpxo(fabric: PodFabric) -> FabricPod:
    driver = HostFolder(name="nvidia", path=_DRIVER_PATH, mount_path=_GKE_LIBRARIES)
    apertures = HostFolder(
        name="aperture-devices", path="/dev/aperture_devices", mount_path="/dev/aperture_devices", read_only=False
    )
    arguments = f"--num_hops=2 --num_nics={fabric.interfaces} --uid= --alsologtostderr"
    return FabricPod(
        annotations=_list_interfaces(_list_vpcs(fabric), first=1)
        | _list_devices("tcpxo-daemon", (*_DEVICES, "/dev/dmabuf_import_helper")),
        environment={
            "NCCL_LIB_DIR": _GKE_LIBRARIES,
            "NCCL_FASTRAK_LLCM_DEVICE_DIRECTORY": apertures.path,
            "NCCL_FASTRAK_CTRL_DEV": "eth0",
            "NCCL_SOCKET_IFNAME": "eth0",
            "NCCL_CROSS_NIC": "0",
            "NCCL_PROTO": "Simple",
            "NCCL_NVLS_ENABLE": "0",
        },
        libraries=(_GKE_LIBRARIES,),
        profile=f"{_GKE_LIBRARIES}/nccl-env-profile.sh",
        folders=(driver, apertures),
        daemon=FabricDaemon(
            name="tcpxo-daemon",
            image=fabric.daemon_image,
            command=(
                *("/bin/sh", "-c"),
                f"chmod 755 /fts/entrypoint_rxdm_container.sh && /fts/entrypoint_rxdm_container.sh {arguments}",
            ),
            capabilities=("NET_ADMIN", "NET_BIND_SERVICE"),
            folders=(driver, *_SYSTEM_FOLDERS),
        ),
    )


def _describe_tcpx(fabric: PodFabric) -> FabricPod:
    driver = HostFolder(name="nvidia", path=_DRIVER_PATH, mount_path=_GKE_LIBRARIES)
    sockets = HostFolder(name="tcpx-sockets", path="/run/tcpx", mount_path="/run/tcpx", read_only=False)
    interfaces = ",".join(f"eth{index}" for index in range(1, fabric.interfaces + 1))
    return FabricPod(
        annotations=_list_interfaces(_list_vpcs(fabric), first=1) | _list_devices("tcpx-daemon", _DEVICES),
        environment={
            "NCCL_GPUDIRECTTCPX_SOCKET_IFNAME": interfaces,
            "NCCL_GPUDIRECTTCPX_CTRL_DEV": "eth0",
            "NCCL_GPUDIRECTTCPX_UNIX_CLIENT_PREFIX": sockets.mount_path,
            "NCCL_GPUDIRECTTCPX_FORCE_ACK": "0",
            "NCCL_SOCKET_IFNAME": "eth0",
            "NCCL_CROSS_NIC": "0",
            "NCCL_ALGO": "Ring",
            "NCCL_PROTO": "Simple",
            "NCCL_NSOCKS_PERTHREAD": "4",
            "NCCL_SOCKET_NTHREADS": "1",
            "NCCL_NET_GDR_LEVEL": "PIX",
            "NCCL_P2P_PXN_LEVEL": "0",
        },
        libraries=(_GKE_LIBRARIES,),
        folders=(driver, sockets),
        daemon=FabricDaemon(
            name="tcpx-daemon",
            image=fabric.daemon_image,
            command=(
                "/tcpgpudmarxd/build/app/tcpgpudmarxd",
                *("--gpu_nic_preset", "a3vm", "--gpu_shmem_type", "fd", "--uds_path", sockets.mount_path),
                *("--setup_param", "--verbose 128 2 0"),
            ),
            capabilities=("NET_ADMIN",),
            folders=(driver, sockets, *_SYSTEM_FOLDERS),
        ),
    )


_SYSTEM_FOLDERS = (
    HostFolder(name="sys", path="/sys", mount_path="/hostsysfs", read_only=False),
    HostFolder(name="proc-sys", path="/proc/sys", mount_path="/hostprocsysfs", read_only=False),
)
"""The kernel's settings of the node, which a daemon changes for its network interfaces."""
_DESCRIPTIONS: Mapping[FabricKind, Callable[[PodFabric], FabricPod]] = {
    FabricKind.EFA: _describe_efa,
    FabricKind.INFINIBAND: _describe_infiniband,
    FabricKind.ROCE: _describe_roce,
    FabricKind.TCPX: _describe_tcpx,
    FabricKind.TCPXO: _describe_tcpxo,
}


def _list_vpcs(fabric: PodFabric) -> list[str]:
    return [f"vpc{number}" for number in range(1, fabric.interfaces + 1)]


def _list_interfaces(networks: Sequence[str], *, first: int) -> dict[str, str]:
    """Return the annotations of a pod with an interface in each network.

    Args:
        networks: names of the networks.
        first: number of the interface in the first network.
    """
    interfaces = [
        {"interfaceName": "eth0", "network": "default"},
        *({"interfaceName": f"eth{number}", "network": network} for number, network in enumerate(networks, first)),
    ]
    return {
        "networking.gke.io/default-interface": "eth0",
        "networking.gke.io/interfaces": json.dumps(interfaces),
    }


def _list_devices(container: str, devices: tuple[str, ...]) -> dict[str, str]:
    return {f"devices.gke.io/container.{container}": "".join(f"- path: {device}\n" for device in devices)}
