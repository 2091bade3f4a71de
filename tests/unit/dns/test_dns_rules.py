"""Rejected endpoints: one error has every problem with its field, value, rule and fix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.config import Platform
from novacron_infra.dns import (
    AddressKind,
    CloudDns,
    CloudDnsRouting,
    GlobalEndpointArgs,
    Probe,
    ProbeProtocol,
    Route53,
    TrafficManager,
)
from novacron_infra.dns.rules import check_endpoint_args
from novacron_infra.errors import ConfigurationError

from tests.unit.dns.program import CLOUD_DNS, ROUTE_53, TRAFFIC_MANAGER, endpoint, region

AWS, GCP, AZURE = Platform.AWS, Platform.GCP, Platform.AZURE
GEO = CloudDns(zone_name="novacron.ai", routing=CloudDnsRouting.GEO)
APEX = Route53(zone_name="api.novacron.ai")
HOST: dict[str, Any] = {"address": "lb.example.com", "address_kind": AddressKind.HOSTNAME}
LONG = "x" * 64


def long_domain(fourth: int) -> str:
    return ".".join([*["y" * 59] * 3, "z" * fourth, "novacron.ai"])


def two(**second: Any) -> dict[str, Any]:
    """Two regions on Route 53, the second one changed."""
    return {"regions": (region("us-west", AWS), replace(region("us-east", AWS), **second))}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("one region only with failover on", {"weights": {"us-west": 1}}, "GlobalEndpointArgs.failover = True: one region"),
    ("no region", {"weights": {}}, "GlobalEndpointArgs.failover = True"),
    ("failover off with several", {"failover": False}, "GlobalEndpointArgs.failover = False: 4 regions"),
    (
        "weights that sum to 0",
        {"weights": {"us-west": 0, "eu": 0}},
        "regions[us-west-2].weight = 0: every region has weight 0",
    ),
    (
        "one region twice",
        {"regions": (region("eu", AWS), region("eu", AWS))},
        "regions.1.name = eu-west-1: regions.0 has the same name",
    ),
    (
        "one label twice",
        {"regions": (region("eu", AWS), replace(region("ap", AWS), region=region("eu", GCP).region))},
        "regions[europe-west1].dns_label = eu: regions[eu-west-1] has the same dns_label",
    ),
    (
        "an address that is a name",
        two(address="lb.example.com"),
        "regions[us-east-1].address_kind = ipv4: lb.example.com is",
    ),
    (
        "a name that is an address",
        two(address_kind=AddressKind.HOSTNAME),
        "regions[us-east-1].address_kind = hostname: 192.0",
    ),
    (
        "an address with a port",
        two(address="192.0.2.2:443"),
        "regions[us-east-1].address = 192.0.2.2:443: it is neither",
    ),
    ("an address with a part too large", two(address="192.0.2.256"), "address = 192.0.2.256: it is neither"),
    (
        "a name that leads back",
        two(address="us-east.api.novacron.ai", address_kind=AddressKind.HOSTNAME),
        "regions[us-east-1].address = us-east.api.novacron.ai: the endpoint creates this name",
    ),
    ("a CNAME at the apex", {"service": APEX, **two(**HOST)}, "address_kind = hostname: a CNAME cannot be"),
    ("Cloud DNS and a host name", {"service": CLOUD_DNS, **two(**HOST)}, "Cloud DNS probes IPv4 addresses only"),
    (
        "a domain outside the zone",
        {"traffic": {"domain": "api.example.com"}},
        "zone_name = novacron.ai: api.example.com",
    ),
    ("a domain with a dot at its end", {"traffic": {"domain": "api.novacron.ai."}}, "a DNS name is lower-case labels"),
    ("a zone in upper case", {"service": Route53(zone_name="Novacron.ai")}, "zone_name = Novacron.ai: a DNS name is"),
    (
        "a label of 64 characters",
        {"traffic": {"domain": f"{LONG}.novacron.ai"}},
        "a label has 64 characters, and DNS allows",
    ),
    (
        "a regional label of 64 characters",
        two(region=region("us-east", AWS).region.model_copy(update={"dns_label": LONG})),
        "regions[us-east-1].dns_label = xxx",
    ),
    (
        "a name of 254 characters, once chained",
        {"traffic": {"domain": long_domain(48)}},
        "has 254 characters",
    ),
    (
        "a place that is not known",
        two(platform=GCP),
        "regions[us-east-1].nearest = None: us-east-1 is in gcp, and aws answers",
    ),
    ("a place of another cloud", two(nearest="eastus"), "regions[us-east-1].nearest = eastus: no region of aws"),
    ("one place twice", two(nearest="us-west-2"), "regions[us-east-1].nearest = us-west-2: another region has it"),
    (
        "one place twice, on Cloud DNS",
        {"service": GEO, "regions": (region("us-west", GCP), region("eu", AWS, nearest="us-west1"))},
        "regions[eu-west-1].nearest = us-west1: another region has it",
    ),
    ("no path to probe", {"probe": Probe()}, "GlobalEndpointArgs.probe.path = None: HTTPS needs a path"),
    ("a path without slash", {"probe": Probe(path="ready")}, "probe.path = ready: a path begins with /"),
    ("a path of 256 characters", {"probe": Probe(path="/" + "x" * 255)}, "255 characters at most"),
    ("TCP and a path", {"probe": Probe(protocol=ProbeProtocol.TCP, path="/ready")}, "a TCP probe has no path"),
    ("port 0", {"probe": Probe(port=0, path="/ready")}, "probe.port = 0: ports are"),
    ("Route 53 and a timeout", {"check": {"timeout_s": 5}}, "timeout_s = 5: Route 53 has a fixed timeout"),
    ("Route 53 every 20 s", {"check": {"interval_s": 20}}, "interval_s = 20: Route 53 probes every 10 or 30 s"),
    (
        "Cloud DNS every 10 s",
        {"service": CLOUD_DNS, "check": {"interval_s": 10}},
        "Cloud DNS probes every 30 s at most",
    ),
    ("Cloud DNS every 10 min", {"service": CLOUD_DNS, "check": {"interval_s": 600}}, "interval_s = 600: Google Cloud"),
    (
        "a timeout above the interval",
        {"service": CLOUD_DNS, "check": {"timeout_s": 31}},
        "longer than interval_s, 30, so probes would overlap",
    ),
    ("Azure every 20 s", {"service": TRAFFIC_MANAGER, "check": {"interval_s": 20}}, "Traffic Manager probes every 10"),
    (
        "Azure, 10 s and a timeout of 10",
        {"service": TRAFFIC_MANAGER, "check": {"interval_s": 10, "timeout_s": 10}},
        "timeout_s = 10: with interval_s 10 Traffic Manager waits 5 to 9 s",
    ),
    ("Azure and a timeout of 4", {"service": TRAFFIC_MANAGER, "check": {"timeout_s": 4}}, "waits 5 to 10 s"),
    ("Azure and a timeout of 11", {"service": TRAFFIC_MANAGER, "check": {"timeout_s": 11}}, "waits 5 to 10 s"),
    ("Azure at the apex", {"service": replace(TRAFFIC_MANAGER, zone_name="api.novacron.ai")}, "reached by a CNAME"),
    (
        "Azure and a long name",
        {"service": replace(TRAFFIC_MANAGER, relative_name="x" * 50)},
        "spill-us-west has 64 characters",
    ),
    (
        "Azure and a name with a dot",
        {"service": replace(TRAFFIC_MANAGER, relative_name="a.b")},
        "a label below traffic",
    ),
    ("a TTL above the recovery target", {"traffic": {"ttl_s": 60, "rto_target_s": 59}}, "rto_target_s = 59: a failed"),
    (
        "a recovery that takes too long on Cloud DNS",
        {"service": CLOUD_DNS, "traffic": {"rto_target_s": 154}},
        "rto_target_s = 154: a failed region keeps its traffic for 155 s",
    ),
    (
        "a standby on Cloud DNS",
        {"service": CLOUD_DNS, "weights": {"us-west": 1, "eu": 0}},
        "regions[europe-west1].weight = 0: Cloud",
    ),
    ("two probing regions", {"service": replace(CLOUD_DNS, probe_regions=("us-east1", "eu"))}, "exactly 3 regions"),
    ("one probing region twice", {"service": replace(CLOUD_DNS, probe_regions=("a", "b", "a"))}, "exactly 3 regions"),
    ("a cluster without switches", {"service": replace(ROUTE_53, cluster_arn="arn:x")}, "without drain_switch"),
    (
        "a control panel with a long name",
        {"service": replace(ROUTE_53, drain_switch=True), "traffic": {"domain": "x" * 60 + ".novacron.ai"}},
        "takes 64 characters",
    ),
]


@pytest.mark.parametrize(("given", "says"), [pytest.param(g, s, id=what) for what, g, s in REFUSED])
def test_refused(given: dict[str, Any], says: str) -> None:
    args = endpoint(**given)
    with pytest.raises(ConfigurationError) as error:
        check_endpoint_args(args)
    assert says in str(error.value)
    for found in error.value.problems:
        assert found.path.startswith(("GlobalEndpointArgs.", "novacron:environment."))
        assert found.value
        assert found.rule
        assert found.fix[0].isupper()


ACCEPTED: list[tuple[str, GlobalEndpointArgs, int | None]] = [
    ("Route 53", endpoint(ROUTE_53), 168),
    ("Route 53 at its fastest", endpoint(check={"interval_s": 10}, traffic={"ttl_s": 10}), 58),
    ("Route 53 just within its target", endpoint(traffic={"rto_target_s": 168}), 168),
    ("Route 53 at the apex, with addresses", endpoint(APEX), 168),
    ("a name of 253 characters, once chained", endpoint(traffic={"domain": long_domain(47)}), 168),
    ("Cloud DNS", endpoint(CLOUD_DNS), 155),
    ("Cloud DNS at the apex", endpoint(CloudDns(zone_name="api.novacron.ai")), 155),
    ("Traffic Manager", endpoint(TRAFFIC_MANAGER), 155),
    (
        "a standby of another cloud needs no place",
        endpoint(regions=(region("us-west", AWS), region("us-east", AWS), region("eu", GCP, 0))),
        168,
    ),
    ("by weight, no place is needed", endpoint(CLOUD_DNS, regions=(region("eu", AWS), region("us-west", GCP))), 155),
    (
        "two regions in one Azure place",
        endpoint(TRAFFIC_MANAGER, regions=(region("eu", AZURE), region("ap", AWS, nearest="westeurope"))),
        155,
    ),
    ("TCP", endpoint(probe=Probe(protocol=ProbeProtocol.TCP, port=8443)), 168),
    ("one region with failover off", endpoint(weights={"us-west": 1}, failover=False), None),
]


@pytest.mark.parametrize(("args", "rto_s"), [pytest.param(a, r, id=what) for what, a, r in ACCEPTED])
def test_accepted(args: GlobalEndpointArgs, rto_s: int | None) -> None:
    recovery = check_endpoint_args(args)
    assert (recovery and recovery.rto_s) == rto_s


def test_all_problems_of_an_endpoint_are_reported_together() -> None:
    service = TrafficManager(zone_name="example.com", resource_group_name="dns", relative_name="A")
    args = endpoint(service, probe=Probe(port=0), check={"interval_s": 20}, weights={"us-west": 1})
    with pytest.raises(ConfigurationError) as error:
        check_endpoint_args(args)
    assert [found.path.split(".", 1)[1] for found in error.value.problems] == [
        "failover",
        "service.zone_name",
        "probe.port",
        "probe.path",
        "service.relative_name",
        "traffic.health_check.interval_s",
    ]
