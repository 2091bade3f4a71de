"""Additional networks that a machine's fabric needs, in the order of its interfaces, as data.

`network` creates the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from novacron_infra.catalog import CatalogError, FabricKind, find_machine

# GKE documentation: "Maximize GPU network bandwidth in Standard mode clusters" for TCPX and TCPXO, "RDMA network
# profiles" and "Create an AI-optimized GKE cluster" for RoCE; read on 2026-11-25.
GPUDIRECT_TCP_MTU_BYTES = 8244
RDMA_MTU_BYTES = 8896


class InterfaceType(str, Enum):
    """Types of network interfaces that need different networks."""

    GVNIC = "gvnic"
    RDMA = "rdma"
    """Needs a network with the zone's RDMA profile, which takes nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FabricNetwork:
    """One VPC of a fabric. A node has one interface in each of its subnets."""

    name: str
    type: InterfaceType
    mtu_bytes: int
    subnets: int


def list_fabric_networks(machine_name: str) -> tuple[FabricNetwork, ...]:
    """The VPCs of a machine's fabric, in the order of the node's interfaces.

    With TCPX and TCPXO each GPU interface has a VPC of its own. With RoCE the second gVNIC has one, and the GPU
    interfaces share another, with a subnet each.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
        CatalogError: if the machine has no fabric on Google Cloud.
    """
    fabric = find_machine(machine_name).fabric
    if fabric is None or fabric.kind not in (FabricKind.TCPX, FabricKind.TCPXO, FabricKind.ROCE):
        raise CatalogError(f"{machine_name} has no fabric on Google Cloud; use a machine with a fabric, or no fabric")
    if fabric.kind is FabricKind.ROCE:
        return (
            FabricNetwork(name="gvnic", type=InterfaceType.GVNIC, mtu_bytes=RDMA_MTU_BYTES, subnets=1),
            FabricNetwork(name="rdma", type=InterfaceType.RDMA, mtu_bytes=RDMA_MTU_BYTES, subnets=fabric.interfaces),
        )
    return tuple(
        FabricNetwork(name=f"gpu-{index}", type=InterfaceType.GVNIC, mtu_bytes=GPUDIRECT_TCP_MTU_BYTES, subnets=1)
        for index in range(fabric.interfaces)
    )


def count_fabric_interfaces(machine_name: str) -> int:
    """Return the number of a node's interfaces in addition to the primary one. Raises as `fabric_networks`."""
    return sum(item.subnets for item in list_fabric_networks(machine_name))


def make_rdma_profile_url(project: str, zone: str) -> str:
    """The network profile that makes a VPC an RDMA network; it exists for each zone that has the machines."""
    return f"projects/{project}/global/networkProfiles/{zone}-vpc-roce"
