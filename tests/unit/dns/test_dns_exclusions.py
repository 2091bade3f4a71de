"""Rules of the services' documentation that no schema has, checked for every registered resource."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import Any

import pytest
from novacron_infra.dns import CloudDns, CloudDnsRouting, Route53

from tests.unit.dns.program import CLOUD_DNS, ROUTE_53, SWITCHED, TRAFFIC_MANAGER, deploy, endpoint

APEX = Route53(zone_name="api.novacron.ai")
GEO = CloudDns(zone_name="novacron.ai", routing=CloudDnsRouting.GEO)
STANDBY = {"us-west": 60, "us-east": 40, "eu": 0}


@pytest.mark.parametrize("service", [ROUTE_53, SWITCHED, APEX], ids=["prod", "switched", "apex"])
def test_route53_excludes_nothing_of_it(service: Route53) -> None:
    sets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in deploy(endpoint(service)).of("Record").values():
        sets[record["name"]].append(record)
    policies = ("weightedRoutingPolicies", "latencyRoutingPolicies", "failoverRoutingPolicies")
    for name, records in sets.items():
        assert len(name) <= 253
        assert all(0 < len(label) <= 63 for label in name.split("."))
        assert len({record["type"] for record in records}) == 1, "a CNAME stands alone, a routed set has one type"
        used = [{policy for policy in policies if policy in record} for record in records]
        assert all(item == used[0] for item in used), "policies exclude each other on one name"
        assert len(used[0]) <= 1
        identifiers = [record.get("setIdentifier") for record in records]
        assert (None in identifiers) == (not used[0])
        assert len(set(identifiers)) == len(identifiers)
        regions = [item["region"] for record in records for item in record.get("latencyRoutingPolicies", [])]
        assert len(set(regions)) == len(regions), "a region once"
        roles = [item["type"] for record in records for item in record.get("failoverRoutingPolicies", [])]
        assert len(set(roles)) == len(roles)
        if "weightedRoutingPolicies" in used[0]:
            assert len({record["ttl"] for record in records}) == 1, "one TTL for a weighted set"
            weights = [record["weightedRoutingPolicies"][0]["weight"] for record in records]
            assert all(0 <= weight <= 255 for weight in weights)
            assert sum(weights) > 0
        for record in records:
            assert ("aliases" in record) != ("records" in record)
            assert ("aliases" in record) != ("ttl" in record)
            assert name != service.zone_name or record["type"] != "CNAME"
            for alias in record.get("aliases", []):
                assert {item["type"] for item in sets[alias["name"]]} == {record["type"]}
            for value in record.get("records", []):
                assert record["type"] == "CNAME" or ipaddress.IPv4Address(value)


@pytest.mark.parametrize("service", [CLOUD_DNS, GEO], ids=["weighted", "geo"])
def test_cloud_dns_excludes_nothing_of_it(service: CloudDns) -> None:
    made = deploy(endpoint(service))
    (check,) = made.of("HealthCheck").values()
    assert len(set(check["sourceRegions"])) == 3
    assert check["checkIntervalSec"] >= 30
    assert check["timeoutSec"] <= check["checkIntervalSec"]
    assert sum(key in check for key in ("httpHealthCheck", "httpsHealthCheck", "tcpHealthCheck")) == 1
    for record in made.of("RecordSet").values():
        assert record["name"].endswith(".novacron.ai.")
        assert ("routingPolicy" in record) != ("rrdatas" in record)
        policy = record.get("routingPolicy", {"wrrs": []})
        assert ("wrrs" in policy) != ("geos" in policy)
        for target in policy.get("wrrs") or policy.get("geos") or []:
            assert record["type"] == "A", "external endpoints are addresses"
            assert all(map(ipaddress.IPv4Address, target["healthCheckedTargets"]["externalEndpoints"]))


@pytest.mark.parametrize(
    "weights", [{"us-west": 40, "us-east": 30, "eu": 20, "ap": 10}, STANDBY], ids=["prod", "standby"]
)
def test_traffic_manager_excludes_nothing_of_it(weights: dict[str, int]) -> None:
    made = deploy(endpoint(TRAFFIC_MANAGER, weights=weights))
    assert not made.of("Endpoint"), "inline and standalone endpoints delete each other"
    parents: list[str] = []
    for profile in made.of("Profile").values():
        endpoints = profile["endpoints"]
        nested = [item for item in endpoints if item["type"].endswith("/nestedEndpoints")]
        parents += [item["targetResourceId"] for item in nested]
        assert len({item["name"] for item in endpoints}) == len(endpoints)
        assert len(profile["dnsConfig"]["relativeName"]) <= 63
        assert all(item["minChildEndpoints"] >= 1 for item in nested)
        for item in endpoints:
            assert ("target" in item) != ("targetResourceId" in item)
            assert item.get("alwaysServe", "Disabled") == "Disabled"
        match profile["trafficRoutingMethod"]:
            case "Performance":
                assert all(item["endpointLocation"] for item in endpoints)
            case "Priority":
                assert sorted(item["priority"] for item in endpoints) == list(range(1, len(endpoints) + 1))
            case _:
                assert all(1 <= item["weight"] <= 1000 for item in endpoints)
    assert len(set(parents)) == len(parents) == len(made.of("Profile")) - 1, "each is nested once, but the first"
