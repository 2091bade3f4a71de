"""Networks of the zones of a region on AWS: a part of the region's network belongs to each letter of a zone.

A zone keeps its addresses when other zones are added, removed or written in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from novacron_infra.errors import Problem

_LETTERS = "abcdefg"
_PARTS_PREFIX = 3
"""A network is cut into eight parts: one for the nodes of each letter, and the last one for load balancers."""
_EXAMPLE = "{nodes: 10.0.0.0/18, load_balancers: 10.0.192.0/20}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ZoneSubnets:
    """The subnets of one zone."""

    nodes: IPv4Network
    """Private subnet of nodes and pods."""
    load_balancers: IPv4Network
    """Public subnet of the load balancer and the NAT gateway."""


_LONGEST_PREFIX = 32 - 2 * _PARTS_PREFIX
"""The smallest network that has a part of a part."""


def plan_zone_subnets(
    network: IPv4Network, zones: Sequence[str], stated: Mapping[str, ZoneSubnets]
) -> dict[str, ZoneSubnets]:
    """Return the subnets of each zone: those that are stated, otherwise those of the zone's letter.

    A letter has an eighth of the network for nodes and a sixty-fourth for load balancers.

    Args:
        network: the region's network.
        zones: the zones, whose names end with a letter from a to g unless their subnets are stated.
        stated: subnets by zone.
    """
    *nodes, shared = network.subnets(prefixlen_diff=_PARTS_PREFIX)
    load_balancers = list(shared.subnets(prefixlen_diff=_PARTS_PREFIX))
    return {
        zone: stated[zone]
        if zone in stated
        else ZoneSubnets(nodes=nodes[_LETTERS.index(zone[-1])], load_balancers=load_balancers[_LETTERS.index(zone[-1])])
        for zone in zones
    }


def check_zone_subnets(
    path: str, network: IPv4Network, zones: Sequence[str], stated: Mapping[str, ZoneSubnets]
) -> Iterator[Problem]:
    """Yield a problem for each zone without subnets, and for subnets that are outside the network or overlap.

    Args:
        path: path of the region.
        network: the region's network.
        zones: the region's zones.
        stated: subnets by zone.
    """
    field = f"{path}.zone_networks"
    if network.prefixlen > _LONGEST_PREFIX:
        return  # which has a problem of its own
    for zone in stated:
        if zone not in zones:
            fix = f"Use one of {', '.join(zones)}" if zones else "Remove it"
            yield Problem(f"{field}.{zone}", zone, "the region does not have this zone", fix)
    lettered = [zone for zone in zones if zone in stated or zone[-1:] in _LETTERS]
    for zone in zones:
        if zone not in lettered:
            rule = (
                f"only zones from {_LETTERS[0]} to {_LETTERS[-1]} have a part of the region's network by their letter"
            )
            yield Problem(f"{field}.{zone}", None, rule, f"State the zone's networks, like {_EXAMPLE}")
    earlier: dict[str, IPv4Network] = {}
    for zone, subnets in plan_zone_subnets(network, lettered, stated).items():
        for what, subnet in (("nodes", subnets.nodes), ("load_balancers", subnets.load_balancers)):
            where = f"{field}.{zone}.{what}"
            if not subnet.subnet_of(network):
                yield Problem(where, str(subnet), f"it is not a part of {network}, the region's network", "Use a part")
            for other, taken in earlier.items():
                if subnet.overlaps(taken):
                    fix = "State the networks of both zones, apart from each other"
                    yield Problem(where, str(subnet), f"it overlaps {taken}, {other}", fix)
            earlier[f"{what} of {zone}"] = subnet
