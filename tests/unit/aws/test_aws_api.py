"""Every planned resource is valid for botocore's service models and for the policy pack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra import aws
from novacron_infra.aws.checks import LONGEST_NAME

from tests.unit.aws import samples
from tests.unit.aws.aws_api import NOT_SENT, problems
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph, changed, violations


def test_every_planned_property_is_valid_for_the_aws_api(region: Graph) -> None:
    found = [problem for resource in region.custom for problem in problems(resource)]
    assert found == []


def longest(opts: pulumi.ResourceOptions) -> None:
    name = "n" * LONGEST_NAME
    aws.AwsKeys(name, samples.KEYS, opts)
    aws.AwsNetwork(name, samples.NETWORK, opts)
    aws.EksCluster(name, samples.CLUSTER, opts)
    aws.EksNodePool(name, replace(samples.POOL, shape=samples.SHAPES["spot"]), opts)
    aws.EksAddons(name, samples.ADDONS, opts)
    aws.EksPodRole(name, samples.POD_ROLE, opts)
    aws.AwsModelStore(name, samples.STORE, opts)
    aws.AwsModelReplication(name, samples.REPLICATION, opts)
    aws.AwsLustre(name, samples.LUSTRE, opts)
    aws.AwsEfs(name, samples.EFS, opts)
    aws.AwsFileReplication(name, samples.FILE_REPLICATION, opts)
    aws.AwsPostgres(name, samples.POSTGRES, opts)
    aws.AwsRedis(name, samples.REDIS, opts)
    aws.AwsIngress(name, samples.INGRESS, opts)
    aws.AwsRegistry(name, samples.REGISTRY, opts)
    aws.AwsThreatDetection(name, samples.THREATS, opts)


def test_longest_component_names_are_valid_for_the_aws_api() -> None:
    assert [problem for resource in declare(longest).custom for problem in problems(resource)] == []


def test_aws_models_check_nearly_every_planned_property(region: Graph) -> None:
    planned = [(resource.type, name) for resource in region.custom for name in resource.inputs]
    unchecked = [item for item in planned if item[1] in NOT_SENT.get(item[0], set())]
    assert len(unchecked) / len(planned) < 0.05


def test_aws_region_violates_no_policy(region: Graph) -> None:
    assert [message for resource in region.custom for message in violations(resource)] == []


def test_preview_of_a_new_aws_region_hides_nothing_from_policies(region: Graph) -> None:
    preview = declare(samples.region, preview=True)
    assert {(item.type, item.name) for item in preview.custom} == {(item.type, item.name) for item in region.custom}
    assert [message for resource in preview.custom for message in violations(resource)] == []
    assert {item.inputs["clusterName"] for item in preview.of("aws:eks/nodeGroup:NodeGroup")} == {"prod"}


@pytest.mark.parametrize(
    ("type_", "name", "path", "value", "expected"),
    [
        ("aws:eks/nodeGroup:NodeGroup", "efa-nodes-2a", "amiType", "AL2023_X86_NVIDIA", "is none of"),
        ("aws:eks/nodeGroup:NodeGroup", "efa-nodes-2a", "updateConfig.updateStrategy", "SURGE", "is none of"),
        ("aws:eks/nodeGroup:NodeGroup", "efa-nodes-2a", "scalingConfig.desiredSize", "4", "Invalid type"),
        ("aws:eks/nodeGroup:NodeGroup", "efa-nodes-2a", "gpus", 8, "no call takes it"),
        ("aws:ec2/launchTemplate:LaunchTemplate", "efa-nodes", "metadataOptions.httpTokens", "maybe", "is none of"),
        ("aws:ec2/launchTemplate:LaunchTemplate", "efa-nodes", "networkInterfaces.0.card", 0, "has no member card"),
        ("aws:ec2/placementGroup:PlacementGroup", "placement-placement", "strategy", "close", "is none of"),
        ("aws:lb/loadBalancer:LoadBalancer", "door", "loadBalancerType", "l4", "is none of"),
        ("aws:lb/targetGroup:TargetGroup", "door", "healthCheck.interval", 1, "valid min value: 5"),
        ("aws:kms/key:Key", "keys-logs", "rotationPeriodInDays", 30, "valid min value: 90"),
        ("aws:eks/cluster:Cluster", "prod-cluster", "name", "prod.eu", "does not match"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_aws_model_check_finds_invalid_properties(
    region: Graph, type_: str, name: str, path: str, value: Any, expected: str
) -> None:
    (found, *_) = problems(changed(region.one(type_, name), path, value))
    assert expected in found


def test_policies_find_violations_in_an_aws_region(region: Graph) -> None:
    group = changed(region.one("aws:eks/nodeGroup:NodeGroup", "block-nodes-2a"), "taints", [])
    template = region.one("aws:ec2/launchTemplate:LaunchTemplate", "efa-nodes")
    plain = changed(template, "blockDeviceMappings.0.ebs", {})
    assert "gpu-taint-and-toleration" in violations(group)[0]
    assert "customer-key-encryption" in violations(plain)[0]
