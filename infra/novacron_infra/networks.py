"""IPv4 networks: parsing, and the rules that configuration, components and policies share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network

from novacron_infra.errors import Problem, raise_problems

MIN_PREFIX_LENGTH = {4: 8, 6: 32}
"""By IP version. A network with a shorter prefix is a large part of the internet, which may not reach an API."""
MIN_REGION_PREFIX_LENGTH, MAX_REGION_PREFIX_LENGTH = 16, 20
"""Prefix lengths of a region's network."""
SERVICE_NETWORK = IPv4Network("172.20.0.0/16")
"""Addresses of Kubernetes services on AWS and Azure. On Google Cloud they are in the region's network."""
POD_NETWORK = IPv4Network("10.244.0.0/16")
"""Addresses of pods on Azure. In the other clouds they are in the region's network."""

PRIVATE_NETWORKS = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""The private ranges of RFC 1918. Other ranges that are not on the internet, such as loopback, hold no machines."""


def is_private(network: IPv4Network) -> bool:
    """Return whether a network is in a private range of RFC 1918."""
    return any(network.subnet_of(private) for private in PRIVATE_NETWORKS)


def parse_networks(texts: Mapping[str, str]) -> dict[str, IPv4Network]:
    """Return IPv4 networks by the path of the argument that holds each.

    Raises:
        ArgumentError: with every text that is not an IPv4 network.
    """
    networks: dict[str, IPv4Network] = {}
    problems: list[Problem] = []
    for path, text in texts.items():
        try:
            networks[path] = IPv4Network(text)
        except ValueError:
            problems.append(Problem(path, text, "it is not an IPv4 network", "Write it as 10.0.0.0/16"))
    raise_problems(problems)
    return networks


def check_api_networks(path: str, networks: Iterable[IPv4Network]) -> Iterator[Problem]:
    """Yield a problem for each network from which too much of the internet would reach the Kubernetes API.

    Args:
        path: path of the list of networks.
        networks: its items, in order.
    """
    for index, network in enumerate(networks):
        if network.prefixlen < MIN_PREFIX_LENGTH[4]:
            shortest = MIN_PREFIX_LENGTH[4]
            rule = f"it is wider than /{shortest}, the widest network that may reach the API"
            yield Problem(f"{path}.{index}", str(network), rule, "Name your own networks, or none")
