"""The graphs of keys, network and cluster: what a user relies on, and what is refused before anything exists."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from novacron_infra.aws import AwsKeys, AwsNetwork, EksCluster, NatMode
from novacron_infra.aws.network import ENDPOINTS
from novacron_infra.errors import ArgumentError

from tests.unit.aws import samples
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph


def test_everything_uses_the_given_provider_and_has_its_component_as_parent(region: Graph) -> None:
    assert {item.provider.split("::")[-2] for item in region.custom} == {"explicit"}
    assert {provider.split("::")[-2] for _, provider in region.invokes} == {"explicit"}
    components = {item.name for item in region.resources if item.type.startswith("novacron:")}
    assert {item.parent for item in region.custom} == components
    assert all(f"{item.name}-".startswith(f"{item.parent}-") for item in region.custom)


def test_everything_that_takes_tags_has_them(region: Graph) -> None:
    no_tags = {
        "aws:autoscaling/tag:Tag",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:guardduty/detectorFeature:DetectorFeature",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:efs/mountTarget:MountTarget",
        "aws:efs/replicationConfiguration:ReplicationConfiguration",
        "aws:kms/alias:Alias",
        "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    }
    untagged = [
        item.name
        for item in region.custom
        if item.type not in no_tags
        and not {"Environment", "Project", "Component"} <= set(item.inputs.get("tags") or {})
    ]
    assert untagged == []


def test_keys_rotate_and_are_protected(region: Graph) -> None:
    keys = region.of("aws:kms/key:Key")
    assert {key.name for key in keys} == {"keys-cluster", "keys-storage", "keys-logs"}
    assert all(key.protect and key.inputs["enableKeyRotation"] for key in keys)
    assert {key.inputs["rotationPeriodInDays"] for key in keys} == {90}


def test_auto_scaling_may_use_the_disks_key_and_logs_only_theirs(region: Graph) -> None:
    def statements(name: str) -> dict[str, Any]:
        document = json.loads(region.one("aws:kms/key:Key", name).inputs["policy"])
        return {item["Sid"]: item for item in document["Statement"]}

    assert set(statements("keys-cluster")) == {"AccountDecides"}
    disks = statements("keys-storage")["DisksOfNodes"]
    assert "kms:CreateGrant" in disks["Action"]
    lustre = statements("keys-storage")["ModelsForLustre"]["Condition"]
    assert lustre["StringEquals"]["kms:ViaService"] == "s3.us-west-2.amazonaws.com"
    assert "s3.data-source.lustre.fsx.amazonaws.com" in lustre["ArnLike"]["aws:PrincipalArn"]
    assert disks["Condition"]["StringEquals"] == {
        "kms:CallerAccount": "123456789012",
        "kms:ViaService": "ec2.us-west-2.amazonaws.com",
    }
    logs = statements("keys-logs")["LogGroups"]
    assert logs["Principal"] == {"Service": "logs.us-west-2.amazonaws.com"}
    assert logs["Condition"]["ArnLike"] == {
        "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-west-2:123456789012:*"
    }


def test_nodes_are_private_and_each_zone_leaves_by_its_own_gateway(region: Graph) -> None:
    subnets = {item.name: item.inputs for item in region.of("aws:ec2/subnet:Subnet")}
    assert len(subnets) == 6
    assert not any(inputs["mapPublicIpOnLaunch"] for inputs in subnets.values())
    for zone in samples.ZONES:
        assert subnets[f"network-private-{zone}"]["tags"]["kubernetes.io/role/internal-elb"] == "1"
        assert subnets[f"network-public-{zone}"]["tags"]["kubernetes.io/role/elb"] == "1"
        route = region.one("aws:ec2/route:Route", f"network-private-{zone}").inputs
        assert (route["natGatewayId"], route.get("gatewayId")) == (f"network-nat-{zone}-id", None)


def test_a_single_gateway_serves_every_zone() -> None:
    graph = declare(lambda opts: AwsNetwork("dev", replace(samples.NETWORK, nat=NatMode.SINGLE), opts).vpc_id)
    (gateway,) = graph.of("aws:ec2/natGateway:NatGateway")
    private = [item.inputs for item in graph.of("aws:ec2/route:Route") if "private" in item.name]
    assert len(private) == 3
    assert {inputs["natGatewayId"] for inputs in private} == {f"{gateway.name}-id"}


def test_the_default_security_group_is_closed(region: Graph) -> None:
    inputs = region.one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert (inputs["ingress"], inputs["egress"]) == ([], [])


def test_only_members_of_the_fabric_group_reach_each_other(region: Graph) -> None:
    group = "network-fabric-id"
    for direction in ("Ingress", "Egress"):
        rules = [
            item.inputs
            for item in region.of(f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule")
            if item.inputs["securityGroupId"] == group
        ]
        assert [(rule["referencedSecurityGroupId"], rule["ipProtocol"]) for rule in rules] == [(group, "-1")]
        assert not any("cidrIpv4" in rule or "cidrIpv6" in rule for rule in rules)


def test_endpoints_keep_traffic_to_aws_inside(region: Graph) -> None:
    endpoints = {item.inputs["serviceName"]: item.inputs for item in region.of("aws:ec2/vpcEndpoint:VpcEndpoint")}
    assert set(endpoints) == {f"com.amazonaws.us-west-2.{service}" for service in ("s3", "guardduty-data", *ENDPOINTS)}
    s3 = endpoints.pop("com.amazonaws.us-west-2.s3")
    assert (s3["vpcEndpointType"], len(s3["routeTableIds"])) == ("Gateway", 3)
    assert all(item["privateDnsEnabled"] and len(item["subnetIds"]) == 3 for item in endpoints.values())


def test_all_traffic_is_logged_with_a_key_and_a_retention(region: Graph) -> None:
    log = region.one("aws:ec2/flowLog:FlowLog").inputs
    group = region.one("aws:cloudwatch/logGroup:LogGroup", "network-flow-logs").inputs
    assert log["trafficType"] == "ALL"
    assert (group["kmsKeyId"], group["retentionInDays"]) == (samples.LOGS_KEY, 90)


def test_the_cluster_is_private_encrypted_and_logged(region: Graph) -> None:
    cluster = region.one("aws:eks/cluster:Cluster")
    inputs = cluster.inputs
    access = inputs["vpcConfig"]
    assert (access["endpointPrivateAccess"], access["endpointPublicAccess"]) == (True, False)
    assert "publicAccessCidrs" not in access
    assert inputs["encryptionConfig"] == {"provider": {"keyArn": samples.SECRETS_KEY}, "resources": ["secrets"]}
    assert len(inputs["enabledClusterLogTypes"]) == 5
    assert inputs["accessConfig"] == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    group = region.one("aws:cloudwatch/logGroup:LogGroup", "prod-control")
    assert group.inputs["name"] == f"/aws/eks/{inputs['name']}/cluster"
    assert "prod-control" in cluster.dependencies


def test_the_cluster_is_open_to_the_named_networks_only() -> None:
    args = replace(samples.CLUSTER, public_cidrs=(IPv4Network("203.0.113.0/24"),))
    graph = declare(lambda opts: EksCluster("prod", args, opts).name)
    access = graph.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]
    assert (access["endpointPublicAccess"], access["publicAccessCidrs"]) == (True, ["203.0.113.0/24"])
    assert access["endpointPrivateAccess"] is True


def test_administrators_have_an_entry(region: Graph) -> None:
    entry = region.one("aws:eks/accessEntry:AccessEntry").inputs
    policy = region.one("aws:eks/accessPolicyAssociation:AccessPolicyAssociation").inputs
    assert entry["principalArn"] == policy["principalArn"] == "arn:aws:iam::123456789012:role/operators"
    assert policy["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def test_node_groups_wait_for_the_addons_that_nodes_need(region: Graph) -> None:
    addons = {item.name for item in region.of("aws:eks/addon:Addon") if item.parent == "prod"}
    assert "prod-eks-pod-identity-agent" in addons
    for group in region.of("aws:eks/nodeGroup:NodeGroup"):
        assert addons <= set(group.dependencies)


def test_the_kubeconfig_signs_in_to_the_right_region(region: Graph) -> None:
    config = json.loads(region.result["kubeconfig"])
    (user,) = config["users"]
    arguments = user["user"]["exec"]["args"]
    assert arguments[arguments.index("--region") + 1] == "us-west-2"
    assert arguments[arguments.index("--cluster-name") + 1] == "prod"
    assert config["clusters"][0]["cluster"]["server"].startswith("https://")


def keys(name: str = "keys", **changes: Any) -> None:
    AwsKeys(name, replace(samples.KEYS, **changes))


def network(name: str = "network", **changes: Any) -> None:
    AwsNetwork(name, replace(samples.NETWORK, **changes))


def cluster(name: str = "prod", **changes: Any) -> None:
    EksCluster(name, replace(samples.CLUSTER, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (keys, {"rotation_days": 30}, "keys.rotation_days = 30: KMS accepts 90 to 2560 days. Use 90"),
        (keys, {"deletion_window_days": 31}, "keys.deletion_window_days = 31: KMS accepts 7 to 30 days. Use 30"),
        (keys, {"name": "x" * 65}, "it has 65 characters, and 44 leave room for what its resources' names add"),
        (keys, {"name": "Prod_1"}, "name = Prod_1: names are lower-case letters, digits and -"),
        (network, {"zones": ("us-west-2a",)}, "network.zones = us-west-2a: EKS needs two zones"),
        (network, {"zones": ("us-west-2a",) * 2}, "network.zones.1 = us-west-2a: the list has this zone twice"),
        (
            network,
            {"zones": ("us-west-2a", "us-east-1a")},
            "network.zones.1 = us-east-1a: it is not a zone of us-west-2",
        ),
        (
            network,
            {"cidr": IPv4Network("8.8.0.0/16")},
            "network.cidr = 8.8.0.0/16: it is not in a private range",
        ),
        (
            network,
            {"cidr": IPv4Network("10.0.0.0/24")},
            "network.cidr = 10.0.0.0/24: a region's network on aws is /16 to /20",
        ),
        (
            network,
            {"flow_log_retention_days": 100},
            "network.flow_log_retention_days = 100: CloudWatch Logs does not offer this retention period. Use 120",
        ),
        (
            cluster,
            {"log_retention_days": 0},
            "prod.log_retention_days = 0: CloudWatch Logs does not offer this retention period",
        ),
        (
            cluster,
            {"public_cidrs": (IPv4Network("0.0.0.0/0"),)},
            "prod.public_cidrs.0 = 0.0.0.0/0: it is wider than /8",
        ),
        (
            cluster,
            {"public_cidrs": (IPv4Network("203.0.113.0/24"), IPv4Network("128.0.0.0/1"))},
            "prod.public_cidrs.1 = 128.0.0.0/1",
        ),
        (cluster, {"admin_principal_arns": ()}, "prod.admin_principal_arns = none: no one could sign in"),
        (
            cluster,
            {"admin_principal_arns": ("alice",)},
            "prod.admin_principal_arns.0 = alice: it is not the ARN of an IAM role or user",
        ),
        (
            cluster,
            {"kubernetes_version": "1.35.2"},
            "prod.kubernetes_version = 1.35.2: it names a patch, which the cloud chooses",
        ),
        (
            cluster,
            {"service_cidr": IPv4Network("10.0.128.0/20")},
            "prod.service_cidr = 10.0.128.0/20: it overlaps the network 10.0.0.0/16",
        ),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_refused_before_anything_exists(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)
    assert len(error.value.problems) == 1


def test_all_problems_of_arguments_are_reported_together() -> None:
    with pytest.raises(ArgumentError, match="the arguments have 3 problems") as error:
        network("N", cidr=IPv4Network("8.8.0.0/16"), zones=())
    assert [problem.path for problem in error.value.problems] == ["name", "N.zones", "N.cidr"]


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*(m for m in sys.modules if m.startswith('pulumi_') and '.' not in m))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


def test_a_program_loads_the_sdk_of_its_own_cloud_only() -> None:
    assert "pulumi_aws" not in loaded_after("import novacron_infra.environment, novacron_infra.pools")
    assert (
        loaded_after("import novacron_infra.aws") & {"pulumi_gcp", "pulumi_azure_native", "pulumi_kubernetes"} == set()
    )
