from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from novacron_rehearsal.clouds import cloud_data, sdk
from novacron_rehearsal.clouds.functions import UnknownFunctionError, call_function
from novacron_rehearsal.clouds.provider_config import read_provider_config
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import PropertyMap, Value

NODE_GROUP = "aws:eks/getNodeGroup:getNodeGroup"
FUNCTIONS = [
    (package, token)
    for package in cloud_data.list_packages()
    for token in cloud_data.load_cloud(package).functions
    if token != NODE_GROUP  # it has a result only for a node group that exists
]


def call(token: str, arguments: PropertyMap, **config: Any) -> PropertyMap:
    package = sdk.package_of(token)
    return call_function(token, arguments, read_provider_config(package, config))


@pytest.mark.parametrize(("package", "token"), FUNCTIONS)
def test_every_function_returns_the_same_result_for_the_same_arguments(package: str, token: str) -> None:
    arguments: PropertyMap = {"name": "gpu", "resourceName": "gpu", "resourceGroupName": "rg", "text": "a: 1"}
    assert call(token, arguments) == call(token, arguments) != {}
    assert "{" not in str(call(token, {**arguments, "text": ""}).get("id", ""))


def test_a_node_group_that_does_not_exist_cannot_be_read() -> None:
    with pytest.raises(RehearsalError, match="No node group found for name: gpu"):
        call(NODE_GROUP, {"clusterName": "prod", "nodeGroupName": "gpu"})


@pytest.mark.parametrize(
    ("token", "arguments", "config", "expected"),
    [
        ("aws:index/getRegion:getRegion", {}, {"region": "eu-west-1"}, {"region": "eu-west-1", "name": "eu-west-1"}),
        ("aws:index/getCallerIdentity:getCallerIdentity", {}, {}, {"accountId": "123456789012"}),
        ("aws:index/getPartition:getPartition", {}, {"region": "us-gov-west-1"}, {"partition": "aws-us-gov"}),
        (
            "aws:index/getAvailabilityZones:getAvailabilityZones",
            {"state": "available"},
            {"region": "us-west-2"},
            {"names": ["us-west-2a", "us-west-2b", "us-west-2c"], "state": "available"},
        ),
        ("gcp:organizations/getProject:getProject", {}, {"project": "acme"}, {"projectId": "acme"}),
        (
            "gcp:organizations/getProject:getProject",
            {"projectId": "other"},
            {"project": "acme"},
            {"projectId": "other"},
        ),
        (
            "gcp:compute/getZones:getZones",
            {"region": "us-east4"},
            {},
            {"names": [f"us-east4-{zone}" for zone in "abc"]},
        ),
        (
            "azure-native:authorization:getClientConfig",
            {},
            {"subscriptionId": "s", "tenantId": "t"},
            {"subscriptionId": "s", "tenantId": "t"},
        ),
    ],
)
def test_functions_use_the_providers_region_and_account(
    token: str, arguments: PropertyMap, config: dict[str, Any], expected: PropertyMap
) -> None:
    result = call(token, arguments, **config)
    assert {name: result[name] for name in expected} == expected


def test_the_default_vpc_needs_no_id() -> None:
    assert call("aws:ec2/getVpc:getVpc", {"default": True})["id"] == "vpc-0123456789abcdef0"


def test_get_policy_document_returns_the_policy_as_json() -> None:
    statements: list[Value] = [
        {
            "sid": "Assume",
            "actions": ["sts:AssumeRoleWithWebIdentity"],
            "principals": [{"type": "Federated", "identifiers": ["arn:oidc"]}],
            "conditions": [{"test": "StringEquals", "variable": "oidc:sub", "values": ["system:serviceaccount:a:b"]}],
        },
        {
            "effect": "Deny",
            "actions": ["s3:*", "kms:*"],
            "resources": ["*"],
            "principals": [{"type": "*", "identifiers": ["*"]}],
        },
    ]
    document = call("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": statements})
    assert json.loads(str(document["json"])) == json.loads(str(document["minifiedJson"])) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Assume",
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "arn:oidc"},
                "Condition": {"StringEquals": {"oidc:sub": "system:serviceaccount:a:b"}},
            },
            {"Effect": "Deny", "Action": ["s3:*", "kms:*"], "Resource": "*", "Principal": "*"},
        ],
    }  # fmt: skip


def test_aks_credentials_are_a_kubeconfig() -> None:
    token = "azure-native:containerservice/v20250101:listManagedClusterUserCredentials"
    answer: Any = call(token, {"resourceGroupName": "rg", "resourceName": "gpu"})
    kubeconfig = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
    assert kubeconfig["clusters"][0]["cluster"]["server"].startswith("https://gpu-")
    assert kubeconfig["current-context"] == "gpu"


def test_yaml_decode_returns_the_objects_of_all_documents_and_lists() -> None:
    text = (
        "kind: A\nmetadata: {name: a}\n---\n---\nkind: AList\nitems: [{kind: A}, {kind: A, metadata: {namespace: x}}]\n"
    )
    assert call("kubernetes:yaml:decode", {"text": text, "defaultNamespace": "n"})["result"] == [
        {"kind": "A", "metadata": {"name": "a", "namespace": "n"}},
        {"kind": "A"},
        {"kind": "A", "metadata": {"namespace": "x"}},
    ]
    with pytest.raises(RehearsalError, match="not YAML"):
        call("kubernetes:yaml:decode", {"text": "a: [1"})


@pytest.mark.parametrize("package", cloud_data.list_packages())
def test_any_other_function_is_refused_with_the_file_to_add_it_to(package: str) -> None:
    with pytest.raises(UnknownFunctionError, match=rf"add the function under `functions` in .*data/{package}\.yaml"):
        call(f"{package}:some/getThing:getThing", {})


def test_the_error_of_a_package_without_functions_lists_none() -> None:
    with pytest.raises(
        UnknownFunctionError, match=r"lacks the function command:local:run\. Give the program the value"
    ):
        call_function("command:local:run", {}, read_provider_config("command", {}))
