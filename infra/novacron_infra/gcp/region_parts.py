"""Parts of a region that are created, unless they exist: then their ids come from `existing` of the region.

The rest of the region uses either in the same way. `existing` has the lookups of what exists.
"""

from __future__ import annotations

from ipaddress import IPv4Network

import pulumi

from novacron_infra.config import ExistingGoogle
from novacron_infra.gcp.network import (
    FabricInterface,
    GcpFabric,
    GcpFabricArgs,
    GcpNetwork,
    GcpNetworkArgs,
    GcpNetworkIds,
)
from novacron_infra.gcp.registry import GcpRegistry, GcpRegistryArgs, make_registry_url
from novacron_infra.regions import ImageRegistry, RegionSpec


def find_existing(spec: RegionSpec) -> ExistingGoogle:
    """Return what exists of a region on Google Cloud."""
    return spec.existing.gcp or ExistingGoogle()


def declare_network(name: str, spec: RegionSpec, opts: pulumi.ResourceOptions) -> GcpNetworkIds:
    """Declare the region's network. For one that exists, nothing is declared."""
    existing = find_existing(spec).network
    if existing is None:
        return GcpNetwork(name, GcpNetworkArgs(region=spec.region, cidr=spec.network, tags=spec.tags), opts).ids
    return GcpNetworkIds(
        network_id=existing.network,
        subnet_id=existing.subnet,
        services_network_id=existing.network,
        pods_range=existing.pods_range,
        services_range=existing.services_range,
        fabric_cidr=existing.fabric,
        created=False,
    )


def declare_fabrics(
    name: str, spec: RegionSpec, cidr: IPv4Network | None, opts: pulumi.ResourceOptions
) -> dict[str, tuple[FabricInterface, ...]]:
    """Declare the fabric of each pool that has one, in addresses of its own. Return the interfaces by pool.

    In an environment only the pool of workers has one, with all addresses: replicas that span nodes have no fallback,
    whose pool would be the second. A second pool with a fabric would move the addresses of the first.
    """
    pools = {pool: shape for pool, shape in spec.pools.items() if shape.fabric is not None}
    if not pools or cidr is None:
        return {}
    cidrs = cidr.subnets(prefixlen_diff=(len(pools) - 1).bit_length())
    return {
        pool: GcpFabric(
            f"{name}-{pool}",
            GcpFabricArgs(
                machine=shape.machine, region=spec.region, zone=next(iter(shape.zones), ""), cidr=next(cidrs)
            ),
            opts,
        ).interfaces
        for pool, shape in pools.items()
    }


def declare_registry(
    name: str, spec: RegionSpec, project: str, key_id: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> ImageRegistry:
    """Declare the region's registry. For one that exists, nothing is declared."""
    existing, repository = find_existing(spec).registry, f"{spec.tags.environment.lower()}-novacron"
    if existing is not None:
        return ImageRegistry(url=pulumi.Output.from_input(existing), prefix=existing)
    args = GcpRegistryArgs(
        region=spec.region, key_id=key_id, repository=repository, tags=spec.tags, protect=spec.protect
    )
    registry = GcpRegistry(f"{name}-images", args, opts)
    return ImageRegistry(url=registry.url, prefix=make_registry_url(project, spec.region, repository))
