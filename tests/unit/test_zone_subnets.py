"""Networks of zones: by the zone's letter, or as they are stated."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from novacron_infra.zone_subnets import ZoneSubnets, check_zone_subnets, plan_zone_subnets

NETWORK = IPv4Network("10.0.0.0/16")
ZONES = tuple(f"us-east-1{letter}" for letter in "abcdef")


@pytest.mark.parametrize("network", [NETWORK, IPv4Network("10.8.0.0/20")])
def test_subnets_are_in_the_network_and_do_not_overlap(network: IPv4Network) -> None:
    plan = plan_zone_subnets(network, ZONES, {})
    subnets = [subnet for zone in plan.values() for subnet in (zone.nodes, zone.load_balancers)]
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert not any(first.overlaps(second) for first, second in combinations(subnets, 2))


def test_a_zone_keeps_its_subnets_whatever_other_zones_there_are() -> None:
    every = plan_zone_subnets(NETWORK, ZONES, {})
    for zones in (ZONES[1:], ZONES[::-1], ("us-east-1f", "us-east-1b")):
        assert plan_zone_subnets(NETWORK, zones, {}) == {zone: every[zone] for zone in zones}


def test_stated_subnets_replace_those_of_the_letter() -> None:
    stated = {"us-east-1h": ZoneSubnets(nodes=IPv4Network("10.0.0.0/19"), load_balancers=IPv4Network("10.0.252.0/24"))}
    zones = ("us-east-1b", "us-east-1h")
    assert list(check_zone_subnets("region", NETWORK, zones, stated)) == []
    assert plan_zone_subnets(NETWORK, zones, stated)["us-east-1h"] == stated["us-east-1h"]


@pytest.mark.parametrize(
    ("zones", "stated", "messages"),
    [
        (
            ("us-east-1a", "us-east-1h"),
            {},
            [
                "region.zone_networks.us-east-1h is missing: only zones from a to g have a part of the region's "
                "network by their letter. State the zone's networks, like "
                "{nodes: 10.0.0.0/18, load_balancers: 10.0.192.0/20}"
            ],
        ),
        (
            ("us-east-1a", "us-east-1b"),
            {"us-east-1b": ("10.0.0.0/20", "10.0.252.0/24")},
            [
                "region.zone_networks.us-east-1b.nodes = 10.0.0.0/20: it overlaps 10.0.0.0/19, nodes of us-east-1a. "
                "State the networks of both zones, apart from each other"
            ],
        ),
        (
            ("us-east-1a",),
            {"us-east-1a": ("10.1.0.0/20", "10.0.252.0/24"), "us-east-1d": ("10.0.96.0/20", "10.0.251.0/24")},
            [
                "region.zone_networks.us-east-1d = us-east-1d: the region does not have this zone. Use one of "
                "us-east-1a",
                "region.zone_networks.us-east-1a.nodes = 10.1.0.0/20: it is not a part of 10.0.0.0/16, the region's "
                "network. Use a part",
            ],
        ),
    ],
)
def test_zones_without_networks_and_networks_that_clash_are_reported(
    zones: tuple[str, ...], stated: dict[str, tuple[str, str]], messages: list[str]
) -> None:
    given = {
        zone: ZoneSubnets(nodes=IPv4Network(nodes), load_balancers=IPv4Network(balancers))
        for zone, (nodes, balancers) in stated.items()
    }
    assert [str(problem) for problem in check_zone_subnets("region", NETWORK, zones, given)] == messages
