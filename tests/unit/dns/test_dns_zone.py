"""DNSSEC and query logs of the zone that an endpoint creates."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.config import load
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.dns.args import CloudDns, DnsService, Route53, TrafficManager
from novacron_infra.dns.environment import declare_dns_provider, declare_endpoint
from novacron_infra.tags import Tags

from tests.unit.aws.graph import declare as declare_on_aws
from tests.unit.config.environments import PROD, change
from tests.unit.dns.program import ACCOUNT, CLOUD_DNS, ROUTE_53, TRAFFIC_MANAGER, deploy, endpoint

SIGNED_ROUTE_53 = replace(ROUTE_53, dnssec=True)
LOGGED_ROUTE_53 = replace(ROUTE_53, query_logs=True)


def conditions(policy: str, service: str) -> list[dict[str, Any]]:
    """The conditions of the statements of a policy for a service."""
    statements = json.loads(policy)["Statement"]
    return [item["Condition"] for item in statements if item["Principal"].get("Service") == service]


def test_route_53_signs_the_zone_with_a_key_that_only_signs() -> None:
    made = deploy(endpoint(SIGNED_ROUTE_53))
    (key,) = made.of("Key").values()
    assert (key["customerMasterKeySpec"], key["keyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    (signing,) = made.of("KeySigningKey").values()
    assert signing["keyManagementServiceArn"] == "arn:global-route53-dnssec"
    assert len(made.of("HostedZoneDnsSec")) == 1
    assert made.outputs["ds_record"] == "12345 13 2 ABCDEF"
    assert "global-route53-dnssec" in made.protected  # without it, resolvers that check reject the zone


def test_route_53_uses_the_keys_for_zones_of_this_account_only() -> None:
    made = deploy(endpoint(SIGNED_ROUTE_53))
    found = conditions(made.of("Key")["global-route53-dnssec"]["policy"], "dnssec-route53.amazonaws.com")
    assert len(found) == 2
    assert {item["StringEquals"]["aws:SourceAccount"] for item in found} == {ACCOUNT}
    assert {item["ArnLike"]["aws:SourceArn"] for item in found} == {"arn:aws:route53:::hostedzone/*"}


def test_route_53_logs_queries_into_an_encrypted_group() -> None:
    made = deploy(endpoint(LOGGED_ROUTE_53))
    (group,) = made.of("LogGroup").values()
    assert group["name"] == "/aws/route53/novacron.ai"
    assert group["kmsKeyId"] == "arn:global-route53-query-logs"
    (log,) = made.of("QueryLog").values()
    assert log["zoneId"] == "id:global-route53-zone"
    (policy,) = made.of("LogResourcePolicy").values()
    (condition,) = conditions(policy["policyDocument"], "route53.amazonaws.com")
    assert condition["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_cloud_dns_signs_the_zone_and_logs_queries() -> None:
    made = deploy(endpoint(replace(CLOUD_DNS, dnssec=True, query_logs=True)))
    (zone,) = made.of("ManagedZone").values()
    assert zone["dnssecConfig"]["state"] == "on"
    assert zone["cloudLoggingConfig"] == {"enableLogging": True}
    assert made.outputs["ds_record"] == ""


def test_azure_signs_the_zone() -> None:
    made = deploy(endpoint(replace(TRAFFIC_MANAGER, dnssec=True)))
    (signed,) = made.of("DnssecConfig").values()
    assert signed["zoneName"] == "global-traffic-manager-zone"
    assert made.outputs["ds_record"] == "12345 13 2 ABCDEF"


@pytest.mark.parametrize(
    "service",
    [
        Route53(zone_name="novacron.ai", zone_id="Z1", dnssec=True, query_logs=True),
        CloudDns(zone_name="novacron.ai", managed_zone="zone", dnssec=True, query_logs=True),
        replace(TRAFFIC_MANAGER, create_zone=False, dnssec=True),
    ],
    ids=["route53", "cloud-dns", "azure"],
)
def test_an_existing_zone_stays_as_it_is(service: DnsService) -> None:
    made = deploy(endpoint(service))
    assert made.of("KeySigningKey") == made.of("QueryLog") == made.of("DnssecConfig") == {}
    assert made.outputs["ds_record"] == ""


@pytest.mark.parametrize("service", [ROUTE_53, CLOUD_DNS, TRAFFIC_MANAGER], ids=["route53", "cloud-dns", "azure"])
def test_a_program_of_your_own_gets_neither_unless_it_asks(service: Route53 | CloudDns | TrafficManager) -> None:
    made = deploy(endpoint(service))
    assert made.invokes == []
    assert made.of("Key") == made.of("LogGroup") == made.of("DnssecConfig") == {}


@pytest.mark.parametrize("asked", [True, False])
def test_an_environment_signs_its_zone_and_logs_queries_unless_both_are_off(asked: bool) -> None:
    changes = {} if asked else {"traffic.dnssec": False, "traffic.query_logs": False}
    config = load(change(PROD, changes))
    assert isinstance(config, CloudEnvironment)
    addresses = {region.name: f"{region.name}.example.com" for region in config.regions}

    def program(_: object) -> object:
        tags = Tags(environment="prod")
        declared = declare_endpoint(config, addresses, tags, declare_dns_provider(config, tags))
        return declared and declared.endpoint.domain

    graph = declare_on_aws(program)
    assert len(graph.of("aws:route53/hostedZoneDnsSec:HostedZoneDnsSec")) == asked
    assert len(graph.of("aws:route53/queryLog:QueryLog")) == asked
    # Both keys have to be in us-east-1.
    assert {item.provider.rpartition("::")[0].rpartition("::")[2] for item in graph.of("aws:kms/key:Key")} <= {
        "prod-dns"
    }
