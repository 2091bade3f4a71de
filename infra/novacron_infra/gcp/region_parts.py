"""Parts of a region that are created, unless they exist: then their ids come from `existing` of the region.

The rest of the region uses either in the same way. `existing` has the lookups of what exists.
"""

from __future__ import annotations

from ipaddress import IPv4Network

import pulumi

from novacron_infra.config import ExistingGoogle
from novacron_infra.gcp.keys import GcpKeys, GcpKeysArgs, KeyUse
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
from novacron_infra.stores import ManagedNfsStore


def find_existing(spec: RegionSpec) -> ExistingGoogle:
    """Return what exists of a region on Google Cloud."""
    return spec.existing.gcp or ExistingGoogle()


def describe_keys(spec: RegionSpec) -> GcpKeysArgs:
    """Return the arguments of the region's keys, which name the services that encrypt with them."""
    # The project has one configuration of alerts, in the first region.
    alerts = spec.threat_detection is not None and spec.threat_detection.first_region
    return GcpKeysArgs(
        location=spec.region,
        tags=spec.tags,
        cluster=find_existing(spec).cluster is None,
        filestore=isinstance(spec.store, ManagedNfsStore),
        databases=True,
        registry=find_existing(spec).registry is None,
        pubsub=alerts,
        protect=spec.protect,
    )


def declare_keys(name: str, spec: RegionSpec, opts: pulumi.ResourceOptions) -> dict[KeyUse, pulumi.Output[str]]:
    """Declare the region's keys, and return their ids. One that exists takes the place of all, and none is declared.

    Without a cluster of its own, the region has no key for the secrets of one.
    """
    existing = find_existing(spec).key
    if existing is not None:
        return {use: pulumi.Output.from_input(existing) for use in KeyUse}
    keys = GcpKeys(name, describe_keys(spec), opts)
    return {use: keys.find_key_id(use) for use in keys.keys}


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
