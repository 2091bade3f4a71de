"""A region as an environment gets it, by the kind of its model store."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest
from novacron_infra.aws.region import AwsRegion, AwsRegionArgs
from novacron_infra.errors import ArgumentError
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingEfsStore, GcsStore, NewEfsStore, NfsStore, S3Store

from tests.unit.aws import samples
from tests.unit.aws.aws_api import problems
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph, violations

NAME = "prod-us-west-2"
SPEC = RegionSpec(
    region="us-west-2",
    zones=samples.ZONES,
    network=IPv4Network("10.0.0.0/16"),
    kubernetes_version="1.35",
    admins=("arn:aws:iam::123456789012:role/operators",),
    pools={"coordinators": samples.SHAPES["coordinators"], "workers": samples.WORKERS},
    store=S3Store(bucket="novacron-models"),
    postgres_storage_gib=1024,
    redis_nodes=6,
    tags=samples.TAGS,
    protect=True,
)
STORES: dict[str, tuple[dict[str, Any], str]] = {
    "s3": ({}, "s3://novacron-models/models"),
    "s3 without prefix": ({"models_prefix": ""}, "s3://novacron-models"),
    "efs": ({"store": NewEfsStore()}, "efs://fs-0123456789abcdef0/models"),
    "efs that exists": (
        {"store": ExistingEfsStore(file_system_id="fs-00000000000000001")},
        "efs://fs-00000000000000001/models",
    ),
    "nfs": ({"store": NfsStore(export="files.novacron.ai:/export/")}, "nfs://files.novacron.ai/export/models"),
}
FILE_SYSTEM, MOUNT_TARGET = "aws:efs/fileSystem:FileSystem", "aws:efs/mountTarget:MountTarget"
BUCKET, POD_POLICY = "aws:s3/bucket:Bucket", f"{NAME}-llm-workers-role"


def region(**changes: Any) -> Graph:
    args = AwsRegionArgs(spec=replace(SPEC, **changes), redis_password="a-password-of-a-test")

    def program(opts: pulumi.ResourceOptions) -> dict[str, pulumi.Input[str]]:
        return AwsRegion(NAME, args, opts).results.export()

    return declare(program)


@pytest.mark.parametrize(("changes", "url"), STORES.values(), ids=STORES)
def test_a_region_returns_its_model_store_and_aws_and_the_policies_accept_every_resource(
    changes: dict[str, Any], url: str
) -> None:
    graph = region(**changes)
    assert graph.result["model_store"] == url
    assert graph.result["worker_identity"]
    # Ids of mocked subnets are not valid for AWS; test_aws_api checks mount targets with valid ids.
    checked = [item for item in graph.custom if item.type != MOUNT_TARGET]
    assert [problem for item in checked for problem in problems(item)] == []
    assert [message for item in graph.custom for message in violations(item)] == []
    assert {item.provider.split("::")[-2] for item in graph.custom} == {"explicit"}


def test_efs_is_mounted_in_every_zone_and_there_is_no_bucket_and_no_right_to_one() -> None:
    graph = region(store=NewEfsStore())
    files = graph.one(FILE_SYSTEM)
    assert (files.protect, files.inputs["provisionedThroughputInMibps"], files.ignore_changes) == (True, 2000, ())
    assert len(graph.of(MOUNT_TARGET)) == len(samples.ZONES)
    assert "aws-efs-csi-driver" in {item.inputs["addonName"] for item in graph.of("aws:eks/addon:Addon")}
    assert graph.of(BUCKET) == []
    assert POD_POLICY not in {item.name for item in graph.of("aws:iam/rolePolicy:RolePolicy")}
    assert graph.one("aws:iam/role:Role", POD_POLICY)


def test_a_replica_may_be_overwritten() -> None:
    files = region(store=NewEfsStore(replica=True)).one(FILE_SYSTEM)
    assert files.inputs["protection"] == {"replicationOverwrite": "DISABLED"}
    assert files.ignore_changes == ("protection",)


def test_of_a_file_system_that_exists_only_the_mount_targets_are_made() -> None:
    graph = region(store=ExistingEfsStore(file_system_id="fs-00000000000000001"))
    assert graph.of(FILE_SYSTEM) == []
    assert {item.inputs["fileSystemId"] for item in graph.of(MOUNT_TARGET)} == {"fs-00000000000000001"}


def test_for_an_nfs_server_nothing_is_made() -> None:
    graph = region(store=NfsStore(export="files.novacron.ai:/export"))
    assert [graph.of(kind) for kind in (FILE_SYSTEM, MOUNT_TARGET, BUCKET)] == [[], [], []]
    assert "aws-efs-csi-driver" not in {item.inputs["addonName"] for item in graph.of("aws:eks/addon:Addon")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"store": GcsStore(bucket="novacron-models")}, f"{NAME}.store = GcsStore: AWS has no such model store"),
        ({"add_ons": True}, f"{NAME}.device_plugins = None: cluster add-ons on AWS include device plugins"),
    ],
)
def test_a_region_that_aws_cannot_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        region(**changes)
    assert message in str(error.value)
