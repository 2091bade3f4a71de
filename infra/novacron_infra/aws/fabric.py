"""Where a machine's EFA interfaces sit: which network cards carry the fabric, as data.

Not for the security group that EFA needs (`network`) and not for device plugins.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from novacron_infra.catalog import CatalogError, FabricKind, find_machine


class InterfaceType(str, Enum):
    """Types of network interfaces in a launch template."""

    ORDINARY = "interface"
    EFA_ONLY = "efa-only"
    """Fabric without an IP address: 32 cards take no 32 addresses of the subnet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkInterface:
    """One interface of a machine."""

    network_card: int
    device: int
    type: InterfaceType


def efa_interfaces(machine_name: str) -> tuple[NetworkInterface, ...]:
    """All interfaces of a machine with EFA: the one with its IP address first, then the fabric's.

    Which cards carry EFA is the catalogue's. Device 0 of card 0 is an ordinary interface and always the primary one;
    EFA is device 1 of card 0 and device 0 of every other card: the layout that saves addresses in the Amazon EC2 user
    guide, "Maximize network bandwidth on instances with multiple network cards", read on 2026-11-25.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
        CatalogError: it has no EFA, or the catalogue does not say on which cards. Never fewer interfaces instead.
    """
    fabric = find_machine(machine_name).fabric
    if fabric is None or fabric.kind is not FabricKind.EFA:
        raise CatalogError(f"{machine_name} has no EFA: use a machine that has, or no fabric")
    if fabric.first_card is None:
        raise CatalogError(f"{machine_name}: the catalogue does not say which network cards carry EFA")
    cards = range(fabric.first_card, fabric.first_card + fabric.interfaces)
    primary = NetworkInterface(network_card=0, device=0, type=InterfaceType.ORDINARY)
    return (
        primary,
        *(
            NetworkInterface(network_card=card, device=1 if card == 0 else 0, type=InterfaceType.EFA_ONLY)
            for card in cards
        ),
    )
