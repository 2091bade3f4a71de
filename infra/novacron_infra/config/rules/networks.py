"""Rules for the networks of regions, and for the networks that reach the clusters' APIs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts, find_cloud
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem
from novacron_infra.networks import WIDEST_PUBLIC_PREFIX, network

WIDEST_PREFIX = 16
NARROWEST_PREFIX = 20
_SIZES = f"/{WIDEST_PREFIX} to /{NARROWEST_PREFIX}"
CLUSTER_NETWORKS = {
    Platform.AWS: {"services": "172.20.0.0/16"},
    Platform.AZURE: {"services": "172.20.0.0/16", "pods": "10.244.0.0/16"},
}
"""The networks that a cluster uses in addition to its region's. On Google Cloud both are part of the region's."""


def check_region_networks(parts: Parts) -> Iterator[Problem]:
    """Check that each region has a private network of its own."""
    earlier: dict[str, IPv4Network] = {}
    for index, region in enumerate(parts.get("regions", ())):
        path, example = f"regions.{index}.network", f"10.{index % 256}.0.0/16"
        if region.network is None:
            rule = f"a region needs a private IPv4 network of {_SIZES}"
            yield problem(path, MISSING, rule, f"Add one like {example}")
            continue
        found = network(region.network)
        broken = _describe_broken_rule(region.network, found, example)
        if found is None or broken is not None:
            rule, fix = broken or ("", "")
            yield problem(path, region.network, rule, fix)
            continue
        for other, taken in earlier.items():
            if found.overlaps(taken):
                rule = f"it overlaps {taken}, the network of {other}"
                yield problem(path, region.network, rule, "Give each region a network of its own")
        earlier[region.name] = found


def _describe_broken_rule(text: str, found: IPv4Network | None, example: str) -> tuple[str, str] | None:
    """Return the rule that a region's network breaks and the fix, or None when it breaks none."""
    if found is None:
        host = _find_host_network(text)
        if host is None:
            return "it is not an IPv4 network", f"Write it like {example}"
        if host.is_private and WIDEST_PREFIX <= host.prefixlen <= NARROWEST_PREFIX:
            return f"it is the address of a host in {host}, not a network", f"Use {host}"
        return f"it is the address of a host in {host}, not a network", f"Use a private network like {example}"
    if not found.is_private:
        return "it is a public network", f"Use a private one, like {example}"
    if not WIDEST_PREFIX <= found.prefixlen <= NARROWEST_PREFIX:
        return f"a region's network is {_SIZES}, and this one is /{found.prefixlen}", f"Use one like {example}"
    return None


def _find_host_network(text: str) -> IPv4Network | None:
    """Return the network of a host's address such as 172.18.7.9/16, or None for other texts."""
    try:
        return IPv4Interface(text).network if "/" in text else None
    except ValueError:
        return None


def check_cluster_networks(parts: Parts) -> Iterator[Problem]:
    """Report a region's network that overlaps the pods or services of its own cluster."""
    for index, region in enumerate(parts.get("regions", ())):
        cloud, found = find_cloud(parts, region), network(region.network or "")
        if cloud is None or found is None:
            continue
        for what, taken in CLUSTER_NETWORKS.get(Platform(cloud.value), {}).items():
            if found.overlaps(IPv4Network(taken)):
                rule = f"it overlaps {taken}, where the cluster's {what} have their addresses"
                fix = f"Use another network, like 10.{index % 256}.0.0/16"
                yield problem(f"regions.{index}.network", region.network, rule, fix)


def check_public_networks(parts: Parts) -> Iterator[Problem]:
    """Check the networks that reach the clusters' APIs over the internet."""
    clusters = parts.get("clusters")
    if clusters is None:
        return
    for index, text in enumerate(clusters.public_networks):
        path, found = f"clusters.public_networks.{index}", network(text)
        if found is None:
            host = _find_host_network(text)
            rule = "it is not an IPv4 network" if host is None else f"it is the address of a host in {host}"
            fix = "Write it like 203.0.113.0/24" if host is None else f"Use {host}, or {text.split('/')[0]}/32"
            yield problem(path, text, rule, fix)
        elif found.prefixlen < WIDEST_PUBLIC_PREFIX:
            rule = f"it is wider than /{WIDEST_PUBLIC_PREFIX}, the widest network that may reach the API"
            yield problem(path, text, rule, "Name your own networks, or none")
