from __future__ import annotations

import botocore.session
import pytest
from novacron_rehearsal.clouds.input_diffs import compare_inputs, find_replacing_inputs
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret

NODE_GROUP: PropertyMap = {
    "clusterName": "gpu",
    "nodeGroupName": "p5",
    "scalingConfig": {"desiredSize": 1, "maxSize": 8},
    "subnetIds": ["a", "b"],
    "launchTemplate": {"id": "lt-1", "version": "1"},
    "tags": {"owner": "ml"},
}


@pytest.mark.parametrize(
    ("change", "detailed", "replaces"),
    [
        ({}, {}, []),
        ({"scalingConfig": {"desiredSize": 2, "maxSize": 8}}, {"scalingConfig.desiredSize": "update"}, []),
        ({"scalingConfig": {"maxSize": 8}}, {"scalingConfig.desiredSize": "delete"}, []),
        ({"tags": {"owner": "ml", "k8s.io/a": "b"}}, {'tags["k8s.io/a"]': "add"}, []),
        ({"subnetIds": ["a", "c"]}, {"subnetIds[1]": "update-replace"}, ["subnetIds"]),
        ({"subnetIds": ["a"]}, {"subnetIds[1]": "delete-replace"}, ["subnetIds"]),
        ({"launchTemplate": {"id": "lt-1", "version": "2"}}, {"launchTemplate.version": "update"}, []),
        (
            {"launchTemplate": {"id": "lt-2", "version": "1"}},
            {"launchTemplate.id": "update-replace"},
            ["launchTemplate"],
        ),
        ({"launchTemplate": None}, {"launchTemplate": "delete-replace"}, ["launchTemplate"]),
        ({"instanceTypes": ["p5.48xlarge"]}, {"instanceTypes": "add-replace"}, ["instanceTypes"]),
        ({"clusterName": UNKNOWN}, {"clusterName": "update-replace"}, ["clusterName"]),
        ({"tags": Secret({"owner": "ml"})}, {}, []),
    ],
)
def test_a_change_of_inputs_updates_or_replaces(
    change: PropertyMap, detailed: dict[str, str], replaces: list[str]
) -> None:
    found = compare_inputs("aws:eks/nodeGroup:NodeGroup", NODE_GROUP, {**NODE_GROUP, **change}, [])
    assert {path: entry.kind.value for path, entry in found.detailed.items()} == detailed
    assert found.replaces == replaces
    assert found.changes == bool(detailed)


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"subnets": ["a", "b", "c"]}, []),
        ({"subnets": ["a"]}, ["subnets"]),
        ({"subnets": ["a", "c"]}, ["subnets"]),
        ({"securityGroups": ["sg-1", "sg-2"]}, []),
        ({"securityGroups": []}, ["securityGroups"]),
        ({"tags": {"owner": "ml"}}, []),
    ],
)
def test_a_network_load_balancer_gets_more_subnets_in_place_and_never_fewer(
    change: PropertyMap, replaces: list[str]
) -> None:
    olds: PropertyMap = {"loadBalancerType": "network", "subnets": ["a", "b"], "securityGroups": ["sg-1"]}
    assert compare_inputs("aws:lb/loadBalancer:LoadBalancer", olds, {**olds, **change}, []).replaces == replaces


@pytest.mark.parametrize(
    ("network", "replaces"),
    [
        ("10.0.0.0/15", []),
        ("10.0.0.0/17", ["ipCidrRange"]),
        ("10.9.0.0/16", ["ipCidrRange"]),
        ("10.8.0.0/15", ["ipCidrRange"]),
        (UNKNOWN, []),
    ],
)
def test_a_subnet_on_google_cloud_gets_wider_in_place_and_never_narrower(network: str, replaces: list[str]) -> None:
    olds: PropertyMap = {"name": "nodes", "ipCidrRange": "10.0.0.0/16"}
    news: PropertyMap = {**olds, "ipCidrRange": network}
    assert compare_inputs("gcp:compute/subnetwork:Subnetwork", olds, news, []).replaces == replaces


@pytest.mark.parametrize("ignored", ["scalingConfig", "scalingConfig.desiredSize"])
def test_ignored_changes_are_not_reported(ignored: str) -> None:
    news: PropertyMap = {**NODE_GROUP, "scalingConfig": {"desiredSize": 5, "maxSize": 8}}
    assert not compare_inputs("aws:eks/nodeGroup:NodeGroup", NODE_GROUP, news, [ignored]).changes


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ({"name": "a", "strategy": "cluster"}, {"name": "a", "strategy": "spread"}, True),
        ({"name": "a", "strategy": "cluster"}, {"name": "b", "strategy": "spread"}, False),
        (
            {"name": "a-1", "strategy": "cluster", "__defaults": ["name"]},
            {"name": "a-1", "strategy": "spread", "__defaults": ["name"]},
            False,
        ),
    ],
)
def test_a_resource_whose_name_the_program_chose_is_deleted_before_it_is_replaced(
    old: PropertyMap, new: PropertyMap, first: bool
) -> None:
    found = compare_inputs("aws:ec2/placementGroup:PlacementGroup", old, new, [])
    assert found.replaces
    assert found.delete_before_replace == first


@pytest.mark.parametrize(
    ("token", "path", "replaces"),
    [
        ("gcp:container/nodePool:NodePool", "nodeCount", False),
        ("gcp:container/nodePool:NodePool", "placementPolicy", True),
        ("gcp:pubsub/topic:Topic", "name", True),
        ("gcp:pubsub/topic:Topic", "labels", False),
        ("azure-native:containerservice:AgentPool", "vmSize", True),
        ("azure-native:containerservice:AgentPool", "resourceName", True),
        ("azure-native:automation:AutomationAccount", "location", True),
        ("azure-native:automation:AutomationAccount", "tags", False),
        ("kubernetes:apps/v1:Deployment", "spec", True),  # its selector cannot change
        ("kubernetes:keda.sh/v1alpha1:ScaledObject", "spec", False),
        ("kubernetes:keda.sh/v1alpha1:ScaledObject", "kind", True),
    ],
)
def test_a_change_of_an_input_in_the_id_replaces_any_type(token: str, path: str, replaces: bool) -> None:
    assert bool(compare_inputs(token, {path: "old"}, {path: "new"}, []).replaces) == replaces


NAMES = {"nodegroupName": "nodeGroupName", "nodeRole": "nodeRoleArn", "subnets": "subnetIds"}
"""botocore's names that Pulumi has changed."""


@pytest.mark.parametrize(
    ("token", "create", "updates"),
    [
        ("aws:eks/cluster:Cluster", "CreateCluster", ["UpdateClusterConfig", "UpdateClusterVersion"]),
        ("aws:eks/nodeGroup:NodeGroup", "CreateNodegroup", ["UpdateNodegroupConfig", "UpdateNodegroupVersion"]),
        ("aws:eks/addon:Addon", "CreateAddon", ["UpdateAddon"]),
        ("aws:eks/accessEntry:AccessEntry", "CreateAccessEntry", ["UpdateAccessEntry"]),
        (
            "aws:eks/podIdentityAssociation:PodIdentityAssociation",
            "CreatePodIdentityAssociation",
            ["UpdatePodIdentityAssociation"],
        ),
        ("aws:eks/fargateProfile:FargateProfile", "CreateFargateProfile", []),
    ],
)
def test_eks_inputs_that_replace_are_those_without_an_update_operation(
    token: str, create: str, updates: list[str]
) -> None:
    eks = botocore.session.get_session().get_service_model("eks")

    def taken(operation: str) -> set[str]:
        return {NAMES.get(name, name) for name in eks.operation_model(operation).input_shape.members}

    settled = taken(create) - {name for update in updates for name in taken(update)} - {"tags", "clientRequestToken"}
    assert settled <= find_replacing_inputs(token)
    # What an update takes, besides what names the resource, is not replaced as a whole.
    named = {name for update in updates for name in eks.operation_model(update).input_shape.required_members}
    changeable = {name for update in updates for name in taken(update)} - {NAMES.get(name, name) for name in named}
    assert not changeable & find_replacing_inputs(token)
