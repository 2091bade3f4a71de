"""Ingress of a region: the traffic that reaches the coordinators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.aws import AwsIngress
from novacron_infra.errors import ArgumentError

from tests.unit.aws import samples
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph, Registered

INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def rules(graph: Graph, type_: str, group: str) -> list[Registered]:
    return [item for item in graph.of(type_) if item.inputs["securityGroupId"] == group]


def test_load_balancer_is_in_every_public_subnet_and_has_an_address(region: Graph) -> None:
    balancer = region.one("aws:lb/loadBalancer:LoadBalancer")
    inputs = balancer.inputs
    assert (inputs["loadBalancerType"], inputs["internal"]) == ("network", False)
    assert inputs["subnets"] == [f"network-public-{zone}-id" for zone in samples.ZONES]
    assert inputs["enableCrossZoneLoadBalancing"] is True
    assert (balancer.protect, inputs["enableDeletionProtection"]) == (True, True)
    assert region.result["address"].startswith("door-")


def test_tls_is_passed_through_to_ready_coordinators(region: Graph) -> None:
    listener = region.one("aws:lb/listener:Listener").inputs
    targets = region.one("aws:lb/targetGroup:TargetGroup").inputs
    assert (listener["protocol"], listener["port"]) == ("TCP", 443)
    assert "certificateArn" not in listener
    assert (targets["protocol"], targets["port"], targets["targetType"]) == ("TCP", 8443, "ip")
    health = targets["healthCheck"]
    assert (health["protocol"], health["port"], health["path"]) == ("HTTPS", "traffic-port", "/ready")
    assert (targets["deregistrationDelay"], targets["connectionTermination"]) == (300, True)


def test_anyone_reaches_the_load_balancer_and_only_it_reaches_the_coordinators(region: Graph) -> None:
    door = "door-lb-id"
    (enter,) = rules(region, INGRESS_RULE, door)
    assert (enter.inputs["cidrIpv4"], enter.inputs["fromPort"], enter.inputs["toPort"]) == ("0.0.0.0/0", 443, 443)
    (leave,) = rules(region, EGRESS_RULE, door)
    assert leave.inputs["referencedSecurityGroupId"] == samples.CLUSTER_GROUP
    (pass_on,) = rules(region, INGRESS_RULE, samples.CLUSTER_GROUP)
    assert pass_on.inputs["referencedSecurityGroupId"] == door
    for rule in (leave, pass_on):
        assert (rule.inputs["fromPort"], rule.inputs["toPort"]) == (8443, 8443)


def test_unprotected_load_balancer_has_no_deletion_protection() -> None:
    graph = declare(lambda opts: AwsIngress("door", replace(samples.INGRESS, protect=False), opts).address)
    balancer = graph.one("aws:lb/loadBalancer:LoadBalancer")
    assert (balancer.protect, balancer.inputs["enableDeletionProtection"]) == (False, False)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("d" * 45, {}, "it has 45 characters, and 44 leave room for what its resources' names add"),
        (
            "door",
            {"subnet_ids": {"us-west-2a": "subnet-1"}},
            "door.subnet_ids = us-west-2a: a load balancer in a single zone",
        ),
        ("door", {"drain_s": 3601}, "door.drain_s = 3601: a target group drains for 0 to 3600 s"),
    ],
)
def test_bad_ingress_arguments_are_rejected_before_any_resource(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: AwsIngress(name, replace(samples.INGRESS, **changes)).address)
    assert message in str(error.value)
