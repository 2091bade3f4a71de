"""Databases, registry, add-ons and pod roles: their guarantees, and the arguments that they reject."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.aws import AwsPostgres, AwsRedis, AwsRegistry, EksAddons
from novacron_infra.errors import ArgumentError

from tests.unit.aws import samples
from tests.unit.aws.graph import ACCOUNT, declare
from tests.unit.graph import Graph


def test_postgres_is_private_and_encrypted_and_aws_generates_its_password(region: Graph) -> None:
    inputs = region.one("aws:rds/instance:Instance").inputs
    assert inputs["manageMasterUserPassword"] is True
    assert "password" not in inputs
    assert (inputs["storageEncrypted"], inputs["kmsKeyId"]) == (True, samples.STORAGE_KEY)
    assert (inputs["publiclyAccessible"], inputs["multiAz"], inputs["deletionProtection"]) == (False, True, True)


def test_unprotected_postgres_is_deleted_without_a_final_snapshot() -> None:
    graph = declare(lambda opts: AwsPostgres("pg", replace(samples.POSTGRES, protect=False), opts).endpoint)
    inputs = graph.one("aws:rds/instance:Instance").inputs
    assert (inputs["deletionProtection"], inputs["skipFinalSnapshot"]) == (False, True)


def test_redis_is_encrypted_at_rest_and_in_transit(region: Graph) -> None:
    group = region.one("aws:elasticache/replicationGroup:ReplicationGroup")
    assert group.secrets == ("authToken",)
    inputs = group.inputs
    assert inputs["atRestEncryptionEnabled"] is inputs["transitEncryptionEnabled"] is True
    assert (inputs["kmsKeyId"], inputs["transitEncryptionMode"]) == (samples.STORAGE_KEY, "required")
    assert (inputs["clusterMode"], inputs["numNodeGroups"], inputs["replicasPerNodeGroup"]) == ("enabled", 3, 1)
    assert inputs["automaticFailoverEnabled"] is inputs["multiAzEnabled"] is True


def test_redis_with_one_shard_needs_no_cluster_clients() -> None:
    args = replace(samples.REDIS, shards=1, replicas_per_shard=0)
    graph = declare(lambda opts: AwsRedis("r", args, opts).group.id)
    inputs = graph.one("aws:elasticache/replicationGroup:ReplicationGroup").inputs
    assert (inputs["clusterMode"], inputs["automaticFailoverEnabled"]) == ("disabled", False)


@pytest.mark.parametrize(("pool", "port"), [("state-postgres", 5432), ("cache-redis", 6379)])
def test_only_cluster_nodes_reach_a_database(region: Graph, pool: str, port: int) -> None:
    rule = region.one("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", pool).inputs
    assert rule["referencedSecurityGroupId"] == samples.CLUSTER_GROUP
    assert (rule["fromPort"], rule["toPort"]) == (port, port)


def test_images_are_scanned_and_encrypted_and_tags_are_immutable(region: Graph) -> None:
    repositories = {item.inputs["name"]: item for item in region.of("aws:ecr/repository:Repository")}
    assert set(repositories) == {"prod/novacron/coordinator", "prod/novacron/worker"}
    for repository in repositories.values():
        assert repository.protect
        assert repository.inputs["imageTagMutability"] == "IMMUTABLE"
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert repository.inputs["encryptionConfigurations"] == [
            {"encryptionType": "KMS", "kmsKey": samples.STORAGE_KEY}
        ]


def test_image_url_starts_with_the_registry_output() -> None:
    def registry(opts: pulumi.ResourceOptions) -> dict[str, Any]:
        made = AwsRegistry("images", samples.REGISTRY, opts)
        return {"registry": made.url, "urls": made.urls}

    told = declare(registry).result
    assert told["registry"] == f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/prod"
    assert told["urls"] == {path: f"{told['registry']}/{path}" for path in samples.REGISTRY.repositories}


def test_storage_drivers_get_their_roles(region: Graph) -> None:
    addons = {item.inputs["addonName"]: item for item in region.of("aws:eks/addon:Addon") if item.parent == "addons"}
    assert set(addons) == {
        "coredns",
        "metrics-server",
        "aws-ebs-csi-driver",
        "aws-efs-csi-driver",
        "aws-fsx-csi-driver",
    }
    (identity,) = addons["aws-ebs-csi-driver"].inputs["podIdentityAssociations"]
    assert identity["serviceAccount"] == "ebs-csi-controller-sa"
    attached = region.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "addons-ebs").inputs
    assert attached["policyArn"] == "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"


def test_storage_drivers_are_installed_only_for_their_file_systems() -> None:
    args = replace(samples.ADDONS, efs=False, lustre=False, versions={"coredns": "v1.12.1-eksbuild.2"})
    graph = declare(lambda opts: EksAddons("a", args, opts).addons["coredns"].id)
    versions = {item.inputs["addonName"]: item.inputs.get("addonVersion") for item in graph.of("aws:eks/addon:Addon")}
    assert versions == {"coredns": "v1.12.1-eksbuild.2", "metrics-server": None, "aws-ebs-csi-driver": None}


def test_worker_role_only_reads_models(region: Graph) -> None:
    association = region.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs
    assert (association["namespace"], association["serviceAccount"]) == ("novacron-llm", "llm-workers")
    document = json.loads(region.one("aws:iam/rolePolicy:RolePolicy", "workers-role").inputs["policy"])
    allowed = {action: item["Resource"] for item in document["Statement"] for action in item["Action"]}
    assert allowed == {
        "s3:ListBucket": "arn:aws:s3:::novacron-models",
        "s3:GetObject": [
            "arn:aws:s3:::novacron-models/models/*",
            "arn:aws:s3:::novacron-models/configuration/*",
        ],
        "kms:Decrypt": samples.STORAGE_KEY,
    }


def postgres(name: str = "state", **changes: Any) -> None:
    AwsPostgres(name, replace(samples.POSTGRES, **changes))


def registry(name: str = "images", **changes: Any) -> None:
    AwsRegistry(name, replace(samples.REGISTRY, **changes))


def redis(name: str = "cache", **changes: Any) -> None:
    AwsRedis(name, replace(samples.REDIS, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (postgres, {"storage_gib": 10}, "state.storage_gib = 10: RDS has disks of 20 to 65536 GiB for Postgres"),
        (postgres, {"backup_days": 0}, "state.backup_days = 0: RDS keeps backups for 1 to 35 days"),
        (
            postgres,
            {"subnet_ids": {"us-west-2a": "subnet-a"}},
            "state.subnet_ids = us-west-2a: a database needs subnets",
        ),
        (registry, {"prefix": "Prod_"}, "images.prefix = Prod_: a repository's name cannot start with it"),
        (redis, {"name": "x" * 45}, "it has 45 characters, and 44 leave room for what its resources' names add"),
        (redis, {"shards": 0}, "cache.shards = 0: ElastiCache allows 1 to 500 nodes, and these are 0"),
        (redis, {"shards": 400}, "cache.shards = 400: ElastiCache allows 1 to 500 nodes, and these are 800"),
        (redis, {"replicas_per_shard": 0}, "cache.replicas_per_shard = 0: a shard without a replica"),
        (redis, {"subnet_ids": {}}, "cache.subnet_ids = none: a database needs subnets in at least two zones"),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_rejected_before_any_resource(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("n" * 26, None), ("n" * 27, "nnnnnnnnnnnnnnnnnnnnnnnnnnn-redis"), ("n" * 44, "n" * 33 + "-663e20")],
)
def test_redis_of_a_long_name_has_a_short_identifier(name: str, identifier: str | None) -> None:
    group = declare(lambda _: redis(name)).one("aws:elasticache/replicationGroup:ReplicationGroup")
    assert group.inputs.get("replicationGroupId") == identifier
