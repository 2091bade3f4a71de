"""The answers that clients get when regions fail, are drained and return."""

from __future__ import annotations

from fractions import Fraction

import pytest
from novacron_infra.config import Platform
from novacron_infra.dns import AddressKind, CloudDns, CloudDnsRouting, Route53
from novacron_infra.dns.args import DnsService

from tests.unit.dns import resolver
from tests.unit.dns.program import (
    CLOUD_DNS,
    NEAR_US_WEST,
    ROUTE_53,
    SWITCHED,
    TRAFFIC_MANAGER,
    Deployment,
    deploy,
    endpoint,
    region,
)

CHAINED = [
    pytest.param(ROUTE_53, resolver.route53, id="route53"),
    pytest.param(Route53(zone_name="api.novacron.ai"), resolver.route53, id="route53-apex"),
    pytest.param(TRAFFIC_MANAGER, resolver.traffic_manager, id="traffic-manager"),
]
GEO = CloudDns(zone_name="novacron.ai", routing=CloudDnsRouting.GEO)
ALL = ("us-west", "us-east", "eu", "ap")


def shares(**parts: int) -> resolver.Shares:
    whole = sum(parts.values())
    return {label.replace("_", "-"): Fraction(part, whole) for label, part in parts.items()}


@pytest.mark.parametrize(("service", "resolve"), CHAINED)
@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        ((), shares(us_west=1)),
        (("us-east",), shares(us_west=1)),
        (("us-west",), shares(us_east=30, eu=20, ap=10)),
        (("us-west", "us-east"), shares(eu=20, ap=10)),
        (("us-west", "us-east", "eu"), shares(ap=1)),
        (ALL, shares(us_west=1)),
    ],
)
def test_clients_of_a_dead_region_are_shared_by_weight(
    service: DnsService, resolve: resolver.Resolver, dead: tuple[str, ...], expected: resolver.Shares
) -> None:
    assert resolve(deploy(endpoint(service)), NEAR_US_WEST, dead) == expected


@pytest.mark.parametrize(("service", "resolve"), CHAINED)
def test_every_client_is_served_by_its_nearest_region(service: DnsService, resolve: resolver.Resolver) -> None:
    made = deploy(endpoint(service))
    for label in ALL:
        near = (label, *(other for other in ALL if other != label))
        assert resolve(made, near) == {label: 1}


@pytest.mark.parametrize(("service", "resolve"), CHAINED)
def test_a_standby_is_served_when_all_others_are_dead(service: DnsService, resolve: resolver.Resolver) -> None:
    made = deploy(endpoint(service, weights={"us-west": 60, "us-east": 40, "eu": 0}))
    assert resolve(made, ("eu", "us-east", "us-west")) == {"us-east": 1}
    assert resolve(made, NEAR_US_WEST, ("us-west",)) == {"us-east": 1}
    assert resolve(made, NEAR_US_WEST, ("us-west", "us-east")) == {"eu": 1}
    alone = deploy(endpoint(service, weights={"us-west": 60, "eu": 0}))
    assert resolve(alone, NEAR_US_WEST) == {"us-west": 1}
    assert resolve(alone, NEAR_US_WEST, ("us-west",)) == {"eu": 1}


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        ((), shares(us_west=40, us_east=30, eu=20, ap=10)),
        (("us-west",), shares(us_east=30, eu=20, ap=10)),
        (ALL, shares(us_west=40, us_east=30, eu=20, ap=10)),
    ],
)
def test_cloud_dns_shares_by_weight(dead: tuple[str, ...], expected: resolver.Shares) -> None:
    assert resolver.cloud_dns(deploy(endpoint(CLOUD_DNS)), NEAR_US_WEST, dead) == expected


def test_cloud_dns_by_place_goes_to_the_next_nearest() -> None:
    made = deploy(endpoint(GEO))
    assert resolver.cloud_dns(made, NEAR_US_WEST) == {"us-west": 1}
    assert resolver.cloud_dns(made, NEAR_US_WEST, ("us-west",)) == {"us-east": 1}
    assert "enableGeoFencing" not in made.of("RecordSet")["global-cloud-dns-domain"]["routingPolicy"]


@pytest.fixture(scope="module")
def switched() -> Deployment:
    return deploy(endpoint(SWITCHED))


@pytest.mark.parametrize(
    ("dead", "off", "expected"),
    [
        ((), (), shares(us_west=1)),
        ((), ("us-west",), shares(us_east=30, eu=20, ap=10)),
        (("us-west",), (), shares(us_east=30, eu=20, ap=10)),
        (("eu",), ("us-west",), shares(us_east=30, ap=10)),
        ((), ALL, shares(us_west=1)),
    ],
)
def test_a_switch_drains_a_living_region_and_holds_it_out(
    switched: Deployment, dead: tuple[str, ...], off: tuple[str, ...], expected: resolver.Shares
) -> None:
    assert resolver.route53(switched, NEAR_US_WEST, dead, off) == expected


def test_switches_are_outputs_and_one_has_to_stay_on(switched: Deployment) -> None:
    controls = switched.outputs["routing_controls"]
    assert sorted(controls) == ["ap-southeast-1", "eu-west-1", "us-east-1", "us-west-2"]
    assert len(switched.outputs["switch_endpoints"]) == 5
    (rule,) = switched.of("SafetyRule").values()
    assert sorted(rule["assertedControls"]) == sorted(controls.values())
    assert rule["ruleConfig"] == {"type": "ATLEAST", "threshold": 1, "inverted": False}


def test_an_arc_cluster_that_exists_is_used() -> None:
    made = deploy(endpoint(Route53(zone_name="novacron.ai", drain_switch=True, cluster_arn="arn:shared")))
    assert not made.of("Cluster")
    assert {item["clusterArn"] for item in made.of("RoutingControl").values()} == {"arn:shared"}
    assert made.outputs["switch_endpoints"] == []


@pytest.mark.parametrize("service", [ROUTE_53, CLOUD_DNS, TRAFFIC_MANAGER], ids=["route53", "cloud-dns", "azure"])
def test_a_single_region_is_served_dead_or_alive(service: DnsService) -> None:
    resolve = {
        ROUTE_53: resolver.route53,
        CLOUD_DNS: resolver.cloud_dns,
        TRAFFIC_MANAGER: resolver.traffic_manager,
    }[service]
    made = deploy(endpoint(service, weights={"us-west": 1}, failover=False))
    assert resolve(made, NEAR_US_WEST) == resolve(made, NEAR_US_WEST, ("us-west",)) == {"us-west": 1}
    assert made.outputs["rto_s"] is None


def test_regional_names_are_the_load_balancers_and_nothing_else() -> None:
    host = region("us-west", Platform.AWS, address="lb.example.com", address_kind=AddressKind.HOSTNAME)
    made = deploy(endpoint(regions=(host, *endpoint().regions[1:])))
    named = {item["name"]: item for item in made.of("Record").values() if "setIdentifier" not in item}
    assert {name: (item["type"], item["records"]) for name, item in named.items()} == {
        "us-west.api.novacron.ai": ("CNAME", ["lb.example.com"]),
        "us-east.api.novacron.ai": ("A", ["192.0.2.2"]),
        "eu.api.novacron.ai": ("A", ["192.0.2.3"]),
        "ap.api.novacron.ai": ("A", ["192.0.2.4"]),
    }
