"""Rules for the networks of regions, and for the networks that reach the clusters' APIs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network

from novacron_infra.catalog import Cloud
from novacron_infra.config.problems import KEY, item_path, problem
from novacron_infra.config.rules.parts import Parts, find_cloud, list_clouds
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem
from novacron_infra.limits.region_networks import check_internet_networks, check_region_network
from novacron_infra.limits.zones import list_zones
from novacron_infra.networks import POD_NETWORK, SERVICE_NETWORK, check_api_networks
from novacron_infra.zone_subnets import check_zone_subnets

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
        other = next((name for name, taken in earlier.items() if network.overlaps(taken)), None)
        if other is not None:
            rule = f"it overlaps {earlier[other]}, the network of {other}"
            yield Problem(path, str(network), rule, "Give each region a network of its own")
            continue
        earlier[region.name] = network


def check_zones_networks(parts: Parts) -> Iterator[Problem]:
    """Check the networks of zones: those that are stated, and on AWS those of the zones' letters."""
    platform = parts.get("platform")
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        path = item_path("regions", regions, index)
        if region.existing.aws is not None and region.existing.aws.network is not None:
            if region.zone_networks:
                rule = "the region has an existing network, whose subnets are in existing.aws.network"
                yield problem(f"{path}.zone_networks", region.zone_networks, rule, "Remove this key")
        elif platform is not None and region.find_platform(platform) is Platform.AWS:
            # Other zones have a problem of their own.
            known = list_zones(Cloud.AWS, region.name)
            zones = [zone for zone in dict.fromkeys(region.zones) if zone in known]
            for found in check_zone_subnets(path, region.network, zones, region.stated_subnets):
                yield replace(found, path=f"{KEY}.{found.path}")
        elif region.zone_networks:
            rule = "only zones on AWS have networks of their own"
            yield problem(f"{path}.zone_networks", region.zone_networks, rule, "Remove this key")


def check_cluster_networks(parts: Parts) -> Iterator[Problem]:
    """Report a region's network that overlaps the pods or services of its own cluster."""
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        cloud = find_cloud(parts, region)
        if cloud is None or region.existing.cluster is not None:
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
    for cloud in list_clouds(parts):
        yield from check_internet_networks(path, clusters.public_networks, cloud)
