"""Networks that a cloud accepts: of a region, and those that reach an API over the internet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.networks import PRIVATE_NETWORKS, is_private

PREFIX_LENGTHS = {Cloud.AWS: (16, 20), Cloud.GCP: (16, 18), Cloud.AZURE: (16, 20)}
"""Shortest and longest prefix of a region's network. On Google Cloud it also holds pods and services."""
_AKS_NETWORKS = (IPv4Network("172.30.0.0/16"), IPv4Network("172.31.0.0/16"))
"""AKS uses these networks itself, so its virtual network cannot have them.

Microsoft Learn, "Azure CNI Overlay networking"; the documentation of terraform-provider-azurerm says the same. The
others that it names, 169.254.0.0/16 and 192.0.2.0/24, are not private."""

_NOT_ROUTED = (
    *PRIVATE_NETWORKS,
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/3"),
)
"""RFC 1918, RFC 6598, loopback, link-local, multicast and reserved addresses."""
_MOST_API_NETWORKS = {Cloud.AWS: 40, Cloud.GCP: 100, Cloud.AZURE: 200}
"""Networks that may reach one API.

The quota "Public endpoint access CIDR ranges per cluster" of EKS, authorized networks of GKE, and authorized IP ranges
of AKS (Microsoft Learn, read on 2026-11-30).
"""


def check_region_network(path: str, network: IPv4Network, cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem for everything that keeps a cluster of the cloud out of a network.

    Args:
        path: the path of the network.
        network: the network.
        cloud: the region's cloud.
    """
    shown = str(network)
    shortest, longest = PREFIX_LENGTHS[cloud]
    if not is_private(network):
        rule = f"it is not in a private range: {', '.join(map(str, PRIVATE_NETWORKS))}"
        yield Problem(path, shown, rule, "Use one like 10.0.0.0/16")
    elif network.prefixlen > longest:
        rule = f"a region's network on {cloud.value} is /{shortest} to /{longest}, and this one is smaller"
        yield Problem(path, shown, rule, f"Use a larger one, like {network.supernet(new_prefix=longest)}")
    elif network.prefixlen < shortest:
        rule = f"a region's network on {cloud.value} is /{shortest} to /{longest}, and this one is larger"
        yield Problem(path, shown, rule, f"Use a part of it, like {network.network_address}/{shortest}")
    elif cloud is Cloud.AZURE:
        for taken in _AKS_NETWORKS:
            if network.overlaps(taken):
                yield Problem(path, shown, f"it overlaps {taken}, which AKS uses itself", "Use one like 10.0.0.0/16")


def check_internet_networks(path: str, networks: Sequence[IPv4Network], cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem for each network from which nothing would reach an API over the internet, and for too many.

    Args:
        path: the path of the list.
        networks: its items.
        cloud: the cloud of the cluster.
    """
    if len(networks) > (most := _MOST_API_NETWORKS[cloud]):
        rule = f"a cluster on {cloud.value} accepts at most {most} networks"
        yield Problem(path, f"{len(networks)} networks", rule, "Combine networks, or name the address of a gateway")
    seen: set[IPv4Network] = set()
    for index, network in enumerate(networks):
        if network in seen:
            yield Problem(f"{path}.{index}", str(network), "the list has this network twice", "Remove one of them")
        seen.add(network)
        if any(network.subnet_of(private) for private in _NOT_ROUTED):
            rule = "it is not a network on the internet, so nothing in it reaches the API's public address"
            fix = "Use the public address of your gateway, like 203.0.113.7/32, or remove it: the API is private then"
            yield Problem(f"{path}.{index}", str(network), rule, fix)
