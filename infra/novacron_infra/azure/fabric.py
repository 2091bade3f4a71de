"""InfiniBand on Azure: which sizes have it, how far it reaches, and what has to be switched on first, as data.

AKS has no property for it: a pool of a size with InfiniBand has it once the subscription has the feature, and the
network operator brings its driver. Not for that operator.
"""

from __future__ import annotations

import re

from novacron_infra.catalog import CatalogError, FabricKind, find_machine

INFINIBAND_FEATURE = "Microsoft.ContainerService/AKSInfinibandSupport"
"""Feature that keeps a pool's machines in one InfiniBand domain.

Register it once per subscription (`az feature register`), before the first pool. AKS documentation, "Use AMD GPUs", and
Azure/aks-rdma-infiniband, both read on 2026-11-25.
"""
LARGEST_DOMAIN_NODES = 100
"""Maximum number of machines in a domain.

A domain is a scale set in a single placement group (Virtual Machine Scale Sets documentation, "Working with large scale
sets", as known on 2026-11-25).
"""
_GPU_SIZE = re.compile(r"Standard_N[CDGV]\d+(?P<features>[a-z]*)", re.IGNORECASE)


def lacks_infiniband(size: str) -> bool:
    """Whether a size is one of GPUs whose name has no `r`, the letter of sizes with RDMA; also sizes not catalogued."""
    matched = _GPU_SIZE.match(size)
    return matched is not None and "r" not in matched["features"].lower()


def count_infiniband_interfaces(machine_name: str) -> int:
    """How many InfiniBand interfaces a machine has: one for each GPU.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
        CatalogError: it has no InfiniBand.
    """
    fabric = find_machine(machine_name).fabric
    if fabric is None or fabric.kind is not FabricKind.INFINIBAND:
        raise CatalogError(f"{machine_name} has no InfiniBand: use a size that has (with an r), or no fabric")
    return fabric.interfaces
