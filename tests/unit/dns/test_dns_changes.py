"""A change of one value changes exactly what it should, and what a component promises about its resources."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.config import Platform, TrafficRegion
from novacron_infra.dns import CloudDns, GlobalEndpointArgs, Route53
from novacron_infra.dns.args import DnsService
from novacron_infra.plan import calculate_cloud_dns_rto_s, calculate_route_53_rto_s, calculate_traffic_manager_rto_s
from novacron_policy.checks.routing import check_health_check_on_routed_record

from tests.unit.dns.program import (
    CLOUD_DNS,
    ROUTE_53,
    SWITCHED,
    TRAFFIC_MANAGER,
    WEIGHTS,
    Deployment,
    deploy,
    endpoint,
    region,
)

SERVICES = [
    pytest.param(ROUTE_53, id="route53"),
    pytest.param(SWITCHED, id="route53-switched"),
    pytest.param(CLOUD_DNS, id="cloud-dns"),
    pytest.param(TRAFFIC_MANAGER, id="traffic-manager"),
]
HEAVIER = {**WEIGHTS, "eu": 25}
WITHOUT_AP = {label: weight for label, weight in WEIGHTS.items() if label != "ap"}
ROUTE_53_TTL = (
    set(WEIGHTS)
    | {f"{label}.entry.primary" for label in WEIGHTS}
    | {f"{label}.spill.{other}" for label in WEIGHTS for other in WEIGHTS if other != label}
)
PROFILES = {"nearest"} | {f"{kind}-{label}" for label in WEIGHTS for kind in ("entry", "spill")}
NAMES = {"domain"} | {f"region-{label}" for label in WEIGHTS}


def changes(before: Deployment, after: Deployment) -> dict[str, set[str]]:
    old, new = ({item.name: item.inputs for item in made.resources} for made in (before, after))
    found = {
        "created": new.keys() - old.keys(),
        "deleted": old.keys() - new.keys(),
        "updated": {name for name in old.keys() & new.keys() if old[name] != new[name]},
    }
    short = ("global-route53-", "global-cloud-dns-", "global-traffic-manager-")
    return {
        what: {next(name.removeprefix(s) for s in short if name.startswith(s)) for name in names}
        for what, names in found.items()
        if names
    }


@pytest.mark.parametrize(
    ("service", "given", "expected"),
    [
        (ROUTE_53, {}, {}),
        (ROUTE_53, {"weights": HEAVIER}, {"updated": {"us-west.spill.eu", "us-east.spill.eu", "ap.spill.eu"}}),
        (ROUTE_53, {"traffic": {"ttl_s": 30}}, {"updated": ROUTE_53_TTL}),
        (ROUTE_53, {"check": {"failure_threshold": 2}}, {"updated": {f"{label}-probe" for label in WEIGHTS}}),
        (
            ROUTE_53,
            {"weights": WITHOUT_AP},
            {
                "deleted": {"ap", "ap-probe", "ap.nearest", "ap.entry.primary", "ap.entry.secondary"}
                | {f"{label}.spill.ap" for label in WITHOUT_AP}
                | {f"ap.spill.{label}" for label in WITHOUT_AP}
            },
        ),
        (CLOUD_DNS, {"weights": HEAVIER}, {"updated": {"domain"}}),
        (CLOUD_DNS, {"traffic": {"ttl_s": 30}}, {"updated": NAMES}),
        (CLOUD_DNS, {"check": {"failure_threshold": 2}}, {"updated": {"probe"}}),
        (TRAFFIC_MANAGER, {"weights": HEAVIER}, {"updated": {"spill-us-west", "spill-us-east", "spill-ap"}}),
        (TRAFFIC_MANAGER, {"traffic": {"ttl_s": 30}}, {"updated": PROFILES | NAMES}),
        (TRAFFIC_MANAGER, {"check": {"failure_threshold": 2}}, {"updated": PROFILES}),
    ],
)
def test_one_value(service: DnsService, given: dict[str, Any], expected: dict[str, set[str]]) -> None:
    assert changes(deploy(endpoint(service)), deploy(endpoint(service, **given))) == expected


def test_a_second_region_replaces_nothing() -> None:
    """Route 53 would refuse it: a name's first latency record cannot be created next to a plain one."""
    one = deploy(endpoint(weights={"us-west": 1}, failover=False))
    two = deploy(endpoint(weights={"us-west": 1, "eu": 1}))
    found = changes(one, two)
    assert found.keys() == {"created"}
    assert "us-west.spill.eu" in found["created"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_policy_pack_has_nothing_to_say(service: DnsService) -> None:
    made = deploy(endpoint(service))
    assert [
        (item.name, found)
        for item in made.resources
        for found in check_health_check_on_routed_record(item.type, item.inputs)
    ] == []


def test_the_recovery_time_is_that_of_what_was_registered() -> None:
    given: dict[str, Any] = {"check": {"failure_threshold": 4}, "traffic": {"ttl_s": 20}}
    made = deploy(endpoint(ROUTE_53, **given))
    (interval_s, failures), *others = {
        (item["requestInterval"], item["failureThreshold"]) for item in made.of("HealthCheck").values()
    }
    (ttl_s,) = {item["ttl"] for item in made.of("Record").values() if "ttl" in item}
    assert not others
    assert made.outputs["rto_s"] == calculate_route_53_rto_s(interval_s, failures, ttl_s) == 164

    made = deploy(endpoint(CLOUD_DNS, **given))
    (check,) = made.of("HealthCheck").values()
    (ttl_s,) = {item["ttl"] for item in made.of("RecordSet").values()}
    rto_s = calculate_cloud_dns_rto_s(
        check["unhealthyThreshold"], check["timeoutSec"], ttl_s, check["checkIntervalSec"]
    )
    assert made.outputs["rto_s"] == rto_s == 145

    made = deploy(endpoint(TRAFFIC_MANAGER, **given))
    (found,) = {
        (
            item["monitorConfig"]["intervalInSeconds"],
            item["monitorConfig"]["toleratedNumberOfFailures"],
            item["monitorConfig"]["timeoutInSeconds"],
            item["dnsConfig"]["ttl"],
        )
        for item in made.of("Profile").values()
    }
    assert made.outputs["rto_s"] == calculate_traffic_manager_rto_s(*found) == 145


@pytest.mark.parametrize("service", SERVICES)
def test_children_have_their_component_and_the_zone_is_protected(service: DnsService) -> None:
    made = deploy(endpoint(service))
    (zone,) = [item.name for item in made.resources if item.name.endswith("-zone")]
    assert made.protected == {zone}
    (component,) = {made.parents[item.name] for item in made.resources}
    assert made.parents[component] == "global"
    assert {made.outputs["domain"], *made.outputs["regional_names"].values()} == {
        "api.novacron.ai",
        "us-west.api.novacron.ai",
        "us-east.api.novacron.ai",
        "eu.api.novacron.ai",
        "ap.api.novacron.ai",
    }
    assert made.outputs["name_servers"] == ["ns1.example."]


@pytest.mark.parametrize("service", [ROUTE_53, CLOUD_DNS, TRAFFIC_MANAGER], ids=["route53", "cloud-dns", "azure"])
def test_the_zone_loses_its_protection_on_wish(service: DnsService) -> None:
    assert deploy(endpoint(replace(service, protect_zone=False))).protected == set()


def test_a_region_is_asked_by_a_name_that_it_knows() -> None:
    asked = deploy(endpoint(ROUTE_53)).of("HealthCheck")["global-route53-eu-probe"]
    assert asked["fqdn"] == "eu.api.novacron.ai"
    assert asked["enableSni"] is True
    assert (asked["type"], asked["port"], asked["resourcePath"]) == ("HTTPS", 443, "/ready")
    asked = deploy(endpoint(CLOUD_DNS)).of("HealthCheck")["global-cloud-dns-probe"]
    assert asked["httpsHealthCheck"] == {"host": "api.novacron.ai", "port": 443, "requestPath": "/ready"}
    profile = deploy(endpoint(TRAFFIC_MANAGER)).of("Profile")["global-traffic-manager-entry-eu"]
    assert profile["endpoints"][0]["target"] == "eu.api.novacron.ai"
    monitor = profile["monitorConfig"]
    assert (monitor["protocol"], monitor["port"], monitor["path"]) == ("HTTPS", 443, "/ready")


@pytest.mark.parametrize(
    ("service", "property_name", "expected"),
    [
        (Route53(zone_name="novacron.ai", zone_id="Z1"), "zoneId", "Z1"),
        (CloudDns(zone_name="novacron.ai", managed_zone="mine"), "managedZone", "mine"),
    ],
)
def test_a_zone_that_exists_is_used(service: DnsService, property_name: str, expected: str) -> None:
    made = deploy(endpoint(service))
    named = [item.inputs for item in made.resources if property_name in item.inputs]
    assert {item[property_name] for item in named} == {expected}
    assert not made.of("Zone")
    assert not made.of("ManagedZone")
    assert made.protected == set()
    assert made.outputs["name_servers"] == []


@pytest.mark.parametrize(
    ("service", "loaded"),
    [("ROUTE_53", "pulumi_aws"), ("CLOUD_DNS", "pulumi_gcp"), ("TRAFFIC_MANAGER", "pulumi_azure")],
)
def test_a_program_loads_the_sdk_of_its_own_cloud_only(service: str, loaded: str) -> None:
    program = (
        "import sys; from tests.unit.dns.program import *\n"
        f"assert deploy(endpoint({service})).resources\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules if name.startswith('pulumi_')}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name.removesuffix("_native") for name in done.stdout.split()] == [loaded]


def test_regions_of_three_clouds_answer_under_one_name() -> None:
    regions = (
        region("us-west", Platform.AWS),
        region("us-east", Platform.GCP, nearest="us-east-1"),
        region("eu", Platform.AZURE, nearest="eu-west-1"),
    )
    made = deploy(endpoint(regions=regions))
    latency = [item for item in made.of("Record").values() if "latencyRoutingPolicies" in item]
    assert {item["setIdentifier"]: item["latencyRoutingPolicies"][0]["region"] for item in latency} == {
        "us-west-2": "us-west-2",
        "us-east1": "us-east-1",
        "westeurope": "eu-west-1",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_labels_that_look_like_parts_of_the_chain(service: DnsService) -> None:
    stem = {Platform.AWS: "us-west-", Platform.GCP: "us-west", Platform.AZURE: "westus"}[service.platform]
    labels = ("spill", "entry", "domain", "spill-entry", "entry-spill", "nearest", "zone", "probe")
    regions = tuple(
        replace(
            region("us-west", service.platform),
            region=TrafficRegion(name=f"region-{index}", dns_label=label, weight=1),
            nearest=f"{stem}{index}",
        )
        for index, label in enumerate(labels)
    )
    made = deploy(endpoint(service, regions=regions))
    assert len({(item.type, item.name) for item in made.resources}) == len(made.resources)
    for profile in made.of("Profile").values():
        assert len({item["name"] for item in profile["endpoints"]}) == len(profile["endpoints"])


@pytest.mark.parametrize("service", SERVICES)
def test_addresses_may_be_outputs(service: DnsService) -> None:
    def later() -> GlobalEndpointArgs:
        args = endpoint(service)
        return replace(
            args, regions=tuple(replace(item, address=pulumi.Output.from_input(item.address)) for item in args.regions)
        )

    assert changes(deploy(endpoint(service)), deploy(later)) == {}
