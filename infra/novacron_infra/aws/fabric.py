"""The EFA interfaces of a machine: the network cards that carry the fabric, as data.

`network` has the security group that EFA needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from novacron_infra.catalog import CatalogError, FabricKind, find_machine


class InterfaceType(str, Enum):
    """Types of network interfaces in a launch template."""

    ORDINARY = "interface"
    EFA_ONLY = "efa-only"
    """Fabric without an IP address, so that 32 cards do not need 32 addresses of the subnet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkInterface:
    """A network interface of a machine."""

    network_card: int
    device: int
    type: InterfaceType


def list_efa_interfaces(machine_name: str) -> tuple[NetworkInterface, ...]:
    """Return the interfaces of a machine with EFA: first the one with the IP address, then those of the fabric.

    The catalogue lists the cards with EFA. Device 0 of card 0 is an ordinary interface and always the primary one. EFA
    is device 1 of card 0 and device 0 of every other card. This is the layout that saves addresses in the Amazon EC2
    user guide, "Maximize network bandwidth on instances with multiple network cards", read on 2026-11-25.

    Raises:
        UnknownNameError: if the machine is not in the catalogue.
        CatalogError: if the machine has no EFA, or the catalogue does not list its cards.
    """
    fabric = find_machine(machine_name).fabric
    if fabric is None or fabric.kind is not FabricKind.EFA:
        raise CatalogError(f"{machine_name} has no EFA; use a machine with EFA, or no fabric")
    if fabric.first_card is None:
        raise CatalogError(f"{machine_name}: the catalogue does not list the network cards with EFA")
    cards = range(fabric.first_card, fabric.first_card + fabric.interfaces)
    primary = NetworkInterface(network_card=0, device=0, type=InterfaceType.ORDINARY)
    return (
        primary,
        *(
            NetworkInterface(network_card=card, device=1 if card == 0 else 0, type=InterfaceType.EFA_ONLY)
            for card in cards
        ),
    )
