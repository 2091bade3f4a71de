from __future__ import annotations

from typing import Any

import pytest
from novacron_rehearsal.clouds import sdk
from novacron_rehearsal.clouds.outputs import (
    LABEL,
    SimulatedResource,
    add_name,
    compute_id,
    compute_outputs,
    has_generated_name,
)
from novacron_rehearsal.clouds.provider_config import read_provider_config
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret

SEED = "5eed" * 16
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"


def subject(token: str, inputs: PropertyMap, seed: str = SEED, **config: Any) -> SimulatedResource:
    return SimulatedResource(
        token, f"urn:pulumi:dev::lab::{token}::thing", read_provider_config(sdk.package_of(token), config), inputs, seed
    )


@pytest.mark.parametrize(
    ("token", "config", "inputs", "identifier"),
    [
        ("aws:ec2/vpc:Vpc", {}, {}, "vpc-5eed5eed5eed5eed5"),
        ("aws:eks/cluster:Cluster", {}, {"name": "gpu"}, "gpu"),
        ("aws:eks/nodeGroup:NodeGroup", {}, {"clusterName": "gpu", "nodeGroupName": "p5"}, "gpu:p5"),
        ("aws:iam/policy:Policy", {"region": "cn-north-1"}, {"name": "p"}, "arn:aws-cn:iam::123456789012:policy/p"),
        (
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
            {},
            {"url": "https://oidc.eks.eu-west-1.amazonaws.com/id/A1"},
            "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A1",
        ),
        (
            "aws:lb/loadBalancer:LoadBalancer",
            {},
            {"name": "a"},
            "arn:aws:lb:us-east-1:123456789012:loadBalancer/a-5eed5eed",
        ),
        ("aws:qldb/ledger:Ledger", {}, {}, "ledger-5eed5eed5eed5eed5"),
        (
            "gcp:container/nodePool:NodePool",
            {"project": "acme", "zone": "us-east4-b"},
            {"cluster": "projects/acme/locations/us-east4-b/clusters/gpu", "name": "p"},
            "projects/acme/locations/us-east4-b/clusters/gpu/nodePools/p",
        ),
        ("azure-native:resources:ResourceGroup", {}, {"resourceGroupName": "rg"}, GROUP),
        (
            "azure-native:containerservice/v20250101:AgentPool",
            {},
            {"resourceGroupName": "rg", "resourceName": "gpu", "agentPoolName": "p"},
            f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/gpu/agentPools/p",
        ),
        (
            "azure-native:automation:AutomationAccount",
            {},
            {"resourceGroupName": "rg", "automationAccountName": "a"},
            f"{GROUP}/providers/Microsoft.Automation/automationAccounts/a",
        ),
        ("kubernetes:core/v1:Pod", {}, {"metadata": {"name": "a", "namespace": "n"}}, "n/a"),
        ("kubernetes:core/v1:Pod", {}, {"metadata": {"name": "a"}}, "default/a"),
        ("kubernetes:core/v1:Pod", {"namespace": "serving"}, {"metadata": {"name": "a"}}, "serving/a"),
        ("kubernetes:helm.sh/v3:Release", {}, {"name": "a", "namespace": "n", "chart": "c"}, "n/a"),
        ("kubernetes:core/v1:Namespace", {}, {"metadata": {"name": "a"}}, "a"),
        ("kubernetes:keda.sh/v1alpha1:ScaledObject", {}, {"metadata": {"name": "a"}}, "default/a"),
        ("kubernetes:cert-manager.io/v1:ClusterIssuer", {}, {"metadata": {"name": "a"}}, "a"),
    ],
)
def test_ids_have_the_form_of_the_clouds_own(
    token: str, config: dict[str, Any], inputs: PropertyMap, identifier: str
) -> None:
    assert compute_id(subject(token, inputs, **config)) == identifier


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        (
            "aws:eks/cluster:Cluster",
            {"name": "gpu", "roleArn": "r", "vpcConfig": {"subnetIds": ["s"]}},
            {
                "arn": "arn:aws:eks:eu-west-1:123456789012:cluster/gpu",
                "endpoint": f"https://{SEED[:32]}.gr7.eu-west-1.eks.amazonaws.com",
                "identities": [{"oidcs": [{"issuer": f"https://oidc.eks.eu-west-1.amazonaws.com/id/{SEED[:32]}"}]}],
                "vpcConfig": {
                    "subnetIds": ["s"],
                    "clusterSecurityGroupId": f"sg-{SEED[:17]}",
                    "vpcId": f"vpc-{SEED[:17]}",
                },
            },
        ),
        ("aws:ec2/subnet:Subnet", {"vpcId": "v", "tags": {"a": "b"}}, {"tagsAll": {"a": "b"}, "region": "eu-west-1"}),
        ("aws:ec2/subnet:Subnet", {"vpcId": "v", "region": "us-west-2"}, {"availabilityZone": "us-west-2a"}),
        ("aws:rds/instance:Instance", {"instanceClass": "c", "identifier": "db", "port": 6000, "password": "p"},
         {"endpoint": f"db.{SEED[:12]}.eu-west-1.rds.amazonaws.com:6000", "password": Secret("p")}),
    ],
)  # fmt: skip
def test_computed_outputs_have_the_form_of_the_clouds_own(
    token: str, inputs: PropertyMap, expected: PropertyMap
) -> None:
    made = compute_outputs(subject(token, inputs, region="eu-west-1"))
    assert {name: made[name] for name in expected} == expected


def test_outputs_are_marked_as_simulated_and_depend_on_urn_inputs_and_configuration_alone() -> None:
    one, two = (compute_outputs(subject("gcp:container/cluster:Cluster", {"name": "gpu"})) for _ in range(2))
    assert one == two
    assert one[LABEL] == SEED


def test_in_a_preview_only_the_inputs_of_a_new_resource_are_known() -> None:
    inputs: PropertyMap = {"name": "gpu", "roleArn": "r", "vpcConfig": {"subnetIds": ["s"]}}
    made = compute_outputs(subject("aws:eks/cluster:Cluster", inputs, seed=""))
    assert made["name"] == "gpu"
    assert made["vpcConfig"] == {"subnetIds": ["s"], "clusterSecurityGroupId": UNKNOWN, "vpcId": UNKNOWN}
    assert {made["arn"], made["endpoint"], made["identities"]} == {UNKNOWN}


def test_outputs_that_depend_on_an_unknown_input_are_unknown_in_an_update() -> None:
    made = compute_outputs(subject("aws:eks/cluster:Cluster", {"name": UNKNOWN, "roleArn": "r"}))
    assert made["arn"] is UNKNOWN
    assert isinstance(made["endpoint"], str)


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        ("aws:sqs/queue:Queue", {}, {"name": "thing-5eed5ee"}),
        ("aws:iam/role:Role", {"namePrefix": "gpu-"}, {"namePrefix": "gpu-", "name": "gpu-5eed5ee"}),
        ("azure-native:storage:StorageAccount", {}, {"accountName": "thin5eed5eed"}),
        (
            "azure-native:authorization:RoleAssignment",
            {},
            {"roleAssignmentName": "5eed5eed-5eed-5eed-5eed-5eed5eed5eed"},
        ),
    ],
)
def test_a_name_is_generated_when_the_program_gives_none(
    token: str, inputs: PropertyMap, expected: PropertyMap
) -> None:
    made = add_name(subject(token, inputs), {})
    assert {key: value for key, value in made.items() if key != "__defaults"} == expected
    assert has_generated_name(token, made)


def test_a_generated_name_stays_and_a_given_name_is_unchanged() -> None:
    token = "kubernetes:core/v1:ConfigMap"
    first = add_name(subject(token, {"metadata": {"labels": {"a": "b"}}}), {})
    again = add_name(subject(token, {"metadata": {"labels": {"a": "c"}}}, seed="0" * 64), first)
    assert again["metadata"] == {"labels": {"a": "c"}, "name": "thing-5eed5ee", "__defaults": ["name"]}
    assert add_name(subject(token, {"metadata": {"name": "mine"}}), first) == {"metadata": {"name": "mine"}}
    assert add_name(subject(token, {"metadata": {"name": UNKNOWN}}), {}) == {"metadata": {"name": UNKNOWN}}
