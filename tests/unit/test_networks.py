"""IPv4 networks of arguments and configuration, and what regions and public networks may be."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from novacron_infra.errors import ArgumentError
from novacron_infra.networks import check_api_networks, check_region_network, parse_networks


@pytest.mark.parametrize("text", ["10.0.0.1/16", "somewhere", "office", "services", "nodes", "", "10.0.0.0/33", "::/0"])
def test_text_that_is_not_an_ipv4_network_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError) as error:
        parse_networks({"prod.network": text})
    assert f"prod.network = {text}: it is not an IPv4 network. Write it as 10.0.0.0/16" in str(error.value)


def test_every_bad_network_is_reported_at_once() -> None:
    with pytest.raises(ArgumentError) as error:
        parse_networks({"prod.network": "10.0.0.0/16", "prod.public_networks.0": "home", "prod.public_networks.1": "x"})
    assert [problem.path for problem in error.value.problems] == ["prod.public_networks.0", "prod.public_networks.1"]


@pytest.mark.parametrize(
    ("networks", "paths"),
    [
        (("203.0.113.0/24",), []),
        (("10.0.0.0/8",), []),
        (("0.0.0.0/0",), ["public_cidrs.0"]),
        (("203.0.113.0/24", "128.0.0.0/1", "8.0.0.0/7"), ["public_cidrs.1", "public_cidrs.2"]),
    ],
)
def test_a_public_network_shorter_than_8_bits_is_refused(networks: tuple[str, ...], paths: list[str]) -> None:
    found = check_api_networks("public_cidrs", [IPv4Network(text) for text in networks])
    assert [problem.path for problem in found] == paths


@pytest.mark.parametrize(
    ("network", "accepted"),
    [
        ("10.0.0.0/16", True),
        ("10.0.0.0/20", True),
        ("10.0.0.0/15", False),
        ("10.0.0.0/21", False),
        ("8.8.0.0/16", False),
    ],
)
def test_a_regions_network_is_private_and_between_16_and_20_bits(network: str, accepted: bool) -> None:
    assert (list(check_region_network("network", IPv4Network(network))) == []) is accepted
