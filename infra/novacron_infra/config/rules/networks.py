"""Rules for the networks of regions, and for the networks that reach the clusters' APIs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from novacron_infra.config.problems import KEY, item_path, problem
from novacron_infra.config.rules.parts import Parts, find_cloud
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem
from novacron_infra.networks import (
    MAX_REGION_PREFIX_LENGTH,
    MIN_REGION_PREFIX_LENGTH,
    POD_NETWORK,
    SERVICE_NETWORK,
    check_api_networks,
)

_SIZES = f"/{MIN_REGION_PREFIX_LENGTH} to /{MAX_REGION_PREFIX_LENGTH}"
CLUSTER_NETWORKS = {
    Platform.AWS: {"services": SERVICE_NETWORK},
    Platform.AZURE: {"services": SERVICE_NETWORK, "pods": POD_NETWORK},
}
"""The networks that a cluster uses in addition to its region's. On Google Cloud both are part of the region's."""


def check_region_networks(parts: Parts) -> Iterator[Problem]:
    """Check that each region has a private network of its own."""
    earlier: dict[str, IPv4Network] = {}
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        path, example, network = (
            f"{item_path('regions', regions, index)}.network",
            f"10.{index % 256}.0.0/16",
            region.network,
        )
        if not network.is_private:
            yield problem(path, str(network), "it is a public network", f"Use a private one, like {example}")
            continue
        if not MIN_REGION_PREFIX_LENGTH <= network.prefixlen <= MAX_REGION_PREFIX_LENGTH:
            rule = f"a region's network is {_SIZES}, and this one is /{network.prefixlen}"
            yield problem(path, str(network), rule, f"Use one like {example}")
            continue
        for other, taken in earlier.items():
            if network.overlaps(taken):
                rule = f"it overlaps {taken}, the network of {other}"
                yield problem(path, str(network), rule, "Give each region a network of its own")
        earlier[region.name] = network


def check_cluster_networks(parts: Parts) -> Iterator[Problem]:
    """Report a region's network that overlaps the pods or services of its own cluster."""
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        cloud = find_cloud(parts, region)
        if cloud is None:
            continue
        for what, taken in CLUSTER_NETWORKS.get(Platform(cloud.value), {}).items():
            if region.network.overlaps(taken):
                rule = f"it overlaps {taken}, where the cluster's {what} have their addresses"
                fix = f"Use another network, like 10.{index % 256}.0.0/16"
                yield problem(f"{item_path('regions', regions, index)}.network", str(region.network), rule, fix)


def check_public_networks(parts: Parts) -> Iterator[Problem]:
    """Check the networks that reach the clusters' APIs over the internet."""
    clusters = parts.get("clusters")
    if clusters is None:
        return
    yield from check_api_networks(f"{KEY}.clusters.public_networks", clusters.public_networks)
