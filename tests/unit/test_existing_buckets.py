"""Buckets that exist: they are checked and used, and nothing of them is a managed resource."""

from __future__ import annotations

import json
from typing import Any

import pytest
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import change, find_problems, plan, read_stack
from tests.unit.existing_things import ACCOUNT_ID, BUCKETS, HUB, KEY_ARN, answer, find_missing
from tests.unit.simulated_stack import Deployment, deploy

FIRST = {cloud: values["regions"][0]["name"] for cloud, values in BUCKETS.items()}
MANAGED = {"aws": "aws:s3/", "gcp": "gcp:storage/bucket:", "azure": "azure-native:storage:"}
"""Beginning of the types of a bucket and its settings."""


def _list_buckets(deployment: Deployment, cloud: str) -> list[str]:
    of_models = f"{FIRST[cloud]}-models"
    return [
        item.name
        for item in deployment.resources.values()
        if item.type.startswith(MANAGED[cloud]) and of_models in item.name
    ]


@pytest.mark.parametrize("cloud", BUCKETS)
def test_nothing_of_a_bucket_that_exists_is_a_resource(cloud: str) -> None:
    key = {"aws": "bucket", "gcp": "bucket", "azure": "container"}[cloud]
    own = change(BUCKETS[cloud], {f"regions.0.existing.{cloud}.{key}": None})
    own["regions"][0]["existing"][cloud].pop(key)
    assert _list_buckets(deploy(own), cloud)
    deployment = deploy(BUCKETS[cloud])
    assert _list_buckets(deployment, cloud) == []
    assert not deploy(BUCKETS[cloud], deployment).steps


@pytest.mark.parametrize(
    ("cloud", "kind", "parts"),
    [
        ("aws", "aws:iam/rolePolicy:RolePolicy", ("s3:::acme-models/models/*", KEY_ARN)),
        ("gcp", "gcp:storage/bucketIAMMember:BucketIAMMember", ("acme-models", "roles/storage.objectViewer")),
        ("azure", "azure-native:authorization:RoleAssignment", (ACCOUNT_ID, "containers/models")),
    ],
)
def test_workers_may_read_the_models_of_a_bucket_that_exists(cloud: str, kind: str, parts: tuple[str, ...]) -> None:
    resources = deploy(BUCKETS[cloud]).resources.values()
    inputs = [json.dumps(item.inputs, default=str) for item in resources if item.type == kind]
    assert any(all(part in text for part in parts) for text in inputs)


def test_an_azure_account_that_exists_gets_a_private_endpoint() -> None:
    resources = deploy(BUCKETS["azure"]).resources.values()
    endpoints = [item for item in resources if item.type == "azure-native:network:PrivateEndpoint"]
    assert any(ACCOUNT_ID in json.dumps(item.inputs, default=str) for item in endpoints)


BUCKET, RESOURCE = "aws:s3/getBucket:getBucket", "aws:cloudcontrol/getResource:getResource"
GCS, ACCOUNT = "gcp:storage/getBucket:getBucket", "azure-native:storage:getStorageAccount"
CONTAINER, SERVICE = "azure-native:storage:getBlobContainer", "azure-native:storage:getBlobServiceProperties"
PLAIN = json.dumps({"BucketEncryption": {"ServerSideEncryptionConfiguration": []}})
LACKING: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "no bucket": ("aws", {BUCKET: None}, "aws.bucket.name", "no such bucket", "aws s3 ls"),
    "elsewhere": ("aws", {BUCKET: {"bucketRegion": "eu-west-1"}}, "aws.bucket.name", "it is in eu-west-1", "us-west-2"),
    "no key": (
        "aws",
        {RESOURCE: {"properties": PLAIN}},
        "aws.bucket.key_arn",
        "the key of the bucket is none",
        "Remove",
    ),
    "no Cloud Storage bucket": ("gcp", {GCS: None}, "gcp.bucket", "no such bucket", "gcloud storage buckets list"),
    "another location": ("gcp", {GCS: {"location": "EUROPE-WEST4"}}, "gcp.bucket", "it is in EUROPE-WEST4", "Name a"),
    "object ACLs": ("gcp", {GCS: {"uniformBucketLevelAccess": False}}, "gcp.bucket", "object ACLs", "--uniform-bucket"),
    "no versions": ("gcp", {GCS: {"versionings": [{"enabled": False}]}}, "gcp.bucket", "no versioning", "--versioning"),
    "no account": ("azure", {ACCOUNT: None}, "azure.container", "no such storage account", "az storage account list"),
    "account elsewhere": ("azure", {ACCOUNT: {"location": "mars"}}, "azure.container", "is in mars", "Name an account"),
    "no container": (
        "azure",
        {CONTAINER: None},
        "azure.container",
        "no such container",
        "az storage container-rm list",
    ),
    "no blob versions": (
        "azure",
        {SERVICE: {"isVersioningEnabled": False}},
        "azure.container",
        "no versioning",
        "--enable-versioning true",
    ),
}


@pytest.mark.parametrize(("cloud", "answers", "path", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_bucket_that_lacks_something_is_refused_before_anything_is_declared(
    cloud: str, answers: dict[str, Any], path: str, rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, answers)
    problem = find_missing(BUCKETS[cloud])[path]
    assert rule in problem.rule
    assert fix in problem.fix


def test_a_bucket_that_receives_copies_needs_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    region = read_stack("prod")["regions"][1]["name"]
    key_arn = KEY_ARN.replace("us-west-2", region)
    rules = [{"ServerSideEncryptionByDefault": {"KMSMasterKeyID": key_arn}}]
    properties = {"BucketEncryption": {"ServerSideEncryptionConfiguration": rules}}
    answer(monkeypatch, {RESOURCE: {"properties": json.dumps(properties)}})
    bucket = {"aws": {"bucket": {"name": "acme-copies", "key_arn": key_arn}}}
    with pytest.raises(ConfigurationError) as caught:
        deploy(change(read_stack("prod"), {"regions.1.existing": bucket}))
    (problem,) = caught.value.problems
    assert problem.path.endswith(f"regions[{region}].existing.aws.bucket.name")
    assert "aws s3api put-bucket-versioning --bucket acme-copies" in problem.fix


OFFLINE: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "a key elsewhere": (
        "aws",
        {"regions.0.existing.aws.bucket.key_arn": KEY_ARN.replace("us-west-2", "eu-west-1")},
        "aws.bucket.key_arn",
        "it is in eu-west-1",
    ),
    "an alias": (
        "aws",
        {"regions.0.existing.aws.bucket.key_arn": "arn:aws:kms:us-west-2:123456789012:alias/models"},
        "aws.bucket.key_arn",
        "not as that of an alias",
    ),
    "files": ("aws", {"model.store": {"kind": "efs"}}, "aws.bucket", "in a store of kind efs"),
    "an account name": (
        "azure",
        {"regions.0.existing.azure.container": "acme/models"},
        "azure.container",
        "resource id",
    ),
    "another subscription": (
        "azure",
        {
            "regions.0.existing.azure.container": ACCOUNT_ID.replace(HUB.split("/")[2], "1" * 8 + HUB.split("/")[2][8:])
            + "/blobServices/default/containers/models"
        },
        "azure.container",
        "accounts.azure_subscription_id is",
    ),
}


@pytest.mark.parametrize(("cloud", "changes", "path", "rule"), OFFLINE.values(), ids=OFFLINE)
def test_buckets_are_checked_offline(cloud: str, changes: dict[str, Any], path: str, rule: str) -> None:
    problems = find_problems(change(BUCKETS[cloud], changes))
    assert rule in problems[f"regions[{FIRST[cloud]}].existing.{path}"].rule


def test_a_bucket_that_receives_copies_needs_a_key() -> None:
    bucket = {"aws": {"bucket": {"name": "acme-copies"}}}
    problems = find_problems(change(read_stack("prod"), {"regions.1.existing": bucket}))
    path = f"regions[{read_stack('prod')['regions'][1]['name']}].existing.aws.bucket.key_arn"
    assert "copies of the models are written to this bucket" in problems[path].rule


def test_the_plan_says_that_models_are_not_replicated_from_a_bucket_that_exists() -> None:
    bucket = {"aws": {"bucket": {"name": "acme-models"}}}
    warnings = plan(change(read_stack("prod"), {"regions.0.existing": bucket})).warnings
    first = read_stack("prod")["regions"][0]["name"]
    assert f"models are not replicated from {first}: its bucket exists, and is not changed" in warnings
