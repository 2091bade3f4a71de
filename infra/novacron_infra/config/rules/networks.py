"""Rules for the networks of regions, and for the networks that reach the clusters' APIs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from novacron_infra.config.problems import KEY, item_path, problem
from novacron_infra.config.rules.parts import Parts, find_cloud
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem
from novacron_infra.limits.region_networks import check_internet_networks, check_region_network
from novacron_infra.networks import POD_NETWORK, SERVICE_NETWORK, check_api_networks

CLUSTER_NETWORKS = {
    Platform.AWS: {"services": SERVICE_NETWORK},
    Platform.AZURE: {"services": SERVICE_NETWORK, "pods": POD_NETWORK},
}
"""The networks that a cluster uses in addition to its region's. On Google Cloud both are part of the region's."""


def check_region_networks(parts: Parts) -> Iterator[Problem]:
    """Check that each region has a private network of its own, of a size that its cloud accepts."""
    earlier: dict[str, IPv4Network] = {}
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        path, network = f"{KEY}.{item_path('regions', regions, index)}.network", region.network
        cloud = find_cloud(parts, region)
        if cloud is not None and (found := list(check_region_network(path, network, cloud))):
            yield from found
            continue
        for other, taken in earlier.items():
            if network.overlaps(taken):
                rule = f"it overlaps {taken}, the network of {other}"
                yield Problem(path, str(network), rule, "Give each region a network of its own")
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
    path = f"{KEY}.clusters.public_networks"
    yield from check_api_networks(path, clusters.public_networks)
    yield from check_internet_networks(path, clusters.public_networks)
