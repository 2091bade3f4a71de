"""IPv4 networks of arguments and configuration, and what regions and public networks may be."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from novacron_infra.catalog import Cloud
from novacron_infra.errors import ArgumentError
from novacron_infra.limits.region_networks import check_internet_networks, check_region_network
from novacron_infra.networks import check_api_networks, parse_networks


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
    ("network", "cloud", "accepted"),
    [
        ("10.0.0.0/16", Cloud.AWS, True),
        ("10.0.0.0/20", Cloud.AWS, True),
        ("10.0.0.0/15", Cloud.AWS, False),
        ("10.0.0.0/21", Cloud.AWS, False),
        ("8.8.0.0/16", Cloud.AWS, False),
        ("169.254.0.0/16", Cloud.AWS, False),
        ("127.0.0.0/16", Cloud.AWS, False),
        ("100.64.0.0/16", Cloud.AWS, False),
        ("10.0.0.0/18", Cloud.GCP, True),
        ("10.0.0.0/19", Cloud.GCP, False),
        ("172.31.0.0/16", Cloud.AWS, True),
        ("172.31.0.0/16", Cloud.AZURE, False),
        ("172.16.0.0/20", Cloud.AZURE, True),
    ],
)
def test_a_regions_network_is_one_that_its_cloud_accepts(network: str, cloud: Cloud, accepted: bool) -> None:
    assert (list(check_region_network("network", IPv4Network(network), cloud)) == []) is accepted


@pytest.mark.parametrize(
    ("network", "accepted"),
    [("10.0.0.0/8", False), ("192.168.1.0/24", False), ("100.64.0.0/10", False), ("203.0.113.0/24", True)],
)
def test_a_network_that_reaches_an_api_is_on_the_internet(network: str, accepted: bool) -> None:
    assert (list(check_internet_networks("networks", [IPv4Network(network)], Cloud.AWS)) == []) is accepted
