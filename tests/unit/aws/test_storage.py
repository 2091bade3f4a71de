"""Buckets, file systems, volumes and replication: their guarantees, and the arguments that they reject."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.aws import (
    AwsEfs,
    AwsLustre,
    AwsModelReplication,
    AwsModelStore,
    EksNodePool,
    reads_models,
)
from novacron_infra.aws.storage import describe_slow_load
from novacron_infra.aws.volumes import ROOT_VOLUME, Gp3Volume, build_storage_class_parameters, check_volume
from novacron_infra.errors import ArgumentError

from tests.unit.aws import samples
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph


def test_model_bucket_is_private_versioned_encrypted_and_protected(region: Graph) -> None:
    assert region.one("aws:s3/bucket:Bucket", "models-models").protect
    versioning = region.one("aws:s3/bucketVersioning:BucketVersioning", "models-models").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    closed = region.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "models-models").inputs
    assert [value for name, value in closed.items() if name != "bucket"] == [True] * 4
    kind = "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    (rule,) = region.one(f"aws:s3/{kind}").inputs["rules"]
    encryption = rule["applyServerSideEncryptionByDefault"]
    assert encryption == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": samples.STORAGE_KEY}


@pytest.mark.parametrize("bucket", ["models-models", "models-access-logs"])
def test_buckets_of_models_and_of_access_logs_require_tls(region: Graph, bucket: str) -> None:
    document = json.loads(region.one("aws:s3/bucketPolicy:BucketPolicy", bucket).inputs["policy"])
    refused = {item["Sid"]: item["Condition"] for item in document["Statement"] if item["Effect"] == "Deny"}
    assert refused == {
        "NoPlainHttp": {"Bool": {"aws:SecureTransport": "false"}},
        "NoOldTls": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    }
    arn = document["Statement"][0]["Resource"][0]
    assert document["Statement"][0]["Resource"] == [arn, f"{arn}/*"]


def test_transfer_acceleration_can_be_turned_off() -> None:
    kind = "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration"
    graph = declare(lambda opts: AwsModelStore("m", replace(samples.STORE, acceleration=False), opts).bucket_arn)
    assert graph.of(kind) == []
    assert declare(samples.region).one(kind).inputs["status"] == "Enabled"


def test_models_are_replicated_to_each_region_with_time_control_and_an_alarm(region: Graph) -> None:
    config = region.one("aws:s3/bucketReplicationConfig:BucketReplicationConfig").inputs
    rules = {rule["id"]: rule for rule in config["rules"]}
    assert len(config["rules"]) == len(rules) == len({rule["priority"] for rule in rules.values()})
    assert set(rules) == {"us-east-1", "eu-west-1", "us-east-1-configuration", "eu-west-1-configuration"}
    for rule_id, rule in rules.items():
        name = rule_id.removesuffix("-configuration")
        folder, lag_s = ("models/", 3600) if rule_id == name else ("configuration/", 300)
        assert rule["filter"] == {"prefix": folder}
        destination = rule["destination"]
        assert destination["bucket"] == f"arn:aws:s3:::novacron-models-{name}"
        assert f":{name}:" in destination["encryptionConfiguration"]["replicaKmsKeyId"]
        assert destination["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
        assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
        assert rule["deleteMarkerReplication"] == {"status": "Disabled"}
        alarm = region.one("aws:cloudwatch/metricAlarm:MetricAlarm", f"copies-lag-{rule_id}").inputs
        assert (alarm["dimensions"]["RuleId"], alarm["threshold"]) == (rule_id, lag_s)
        assert alarm["alarmActions"] == ["arn:aws:sns:us-west-2:123456789012:alarms"]


def test_configuration_replication_alarm_has_a_period_of_one_minute(region: Graph) -> None:
    alarm = region.one("aws:cloudwatch/metricAlarm:MetricAlarm", "copies-lag-us-east-1-configuration").inputs
    assert (alarm["period"], alarm["evaluationPeriods"]) == (60, 1)


def test_configuration_has_its_own_replication_rule_without_a_model_prefix() -> None:
    args = replace(samples.REPLICATION, prefix="")
    graph = declare(lambda opts: AwsModelReplication("copies", args, opts).replication.id)
    rules = graph.one("aws:s3/bucketReplicationConfig:BucketReplicationConfig").inputs["rules"]
    priorities = {rule["id"]: rule["priority"] for rule in rules}
    assert [rule["filter"]["prefix"] for rule in rules] == ["", "", "configuration/", "configuration/"]
    assert priorities["us-east-1-configuration"] > priorities["us-east-1"]


def test_workers_read_the_whole_bucket_without_a_model_prefix() -> None:
    listing, getting, _ = json.loads(reads_models("arn:aws:s3:::models", samples.STORAGE_KEY, [""]))["Statement"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["", "*"]}}
    assert getting["Resource"] == ["arn:aws:s3:::models/*"]


def test_replication_role_may_only_copy(region: Graph) -> None:
    document = json.loads(region.one("aws:iam/rolePolicy:RolePolicy", "copies-replication").inputs["policy"])
    allowed = {action: item["Resource"] for item in document["Statement"] for action in item["Action"]}
    assert not any("*" in action for action in allowed)
    assert allowed["kms:Decrypt"] == [samples.STORAGE_KEY]
    assert all("us-east-1" in arn or "eu-west-1" in arn for arn in allowed["s3:ReplicateObject"])


def test_lustre_is_fast_and_encrypted_and_imports_the_bucket(region: Graph) -> None:
    inputs = region.one("aws:fsx/lustreFileSystem:LustreFileSystem").inputs
    assert (inputs["deploymentType"], inputs["efaEnabled"]) == ("PERSISTENT_2", True)
    assert inputs["metadataConfiguration"] == {"mode": "AUTOMATIC"}
    assert inputs["kmsKeyId"] == samples.STORAGE_KEY
    shown = region.one("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation").inputs
    assert shown["dataRepositoryPath"] == "s3://novacron-models/models"


def test_efs_is_provisioned_and_reachable_from_every_zone(region: Graph) -> None:
    inputs = region.one("aws:efs/fileSystem:FileSystem").inputs
    assert (inputs["throughputMode"], inputs["provisionedThroughputInMibps"]) == ("provisioned", 2000)
    targets = [item.inputs for item in region.of("aws:efs/mountTarget:MountTarget")]
    assert sorted(item["subnetId"] for item in targets) == sorted(samples.SUBNETS.values())
    assert all(item["securityGroups"] == [samples.CLUSTER_GROUP] for item in targets)


def test_405b_model_on_efs_logs_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_: told.append(message))
    declare(lambda opts: AwsEfs("s", replace(samples.EFS, weights_gb=410), opts).file_system_id)
    (message,) = told
    assert message.startswith("s: loading 410 GB from EFS takes about 18 min at 355 MiB/s, and the loader waits 10 min")


@pytest.mark.parametrize(
    ("weights_gb", "throughput", "timeout_s", "warned"),
    [
        (None, 100, 1, False),
        (16, 2000, 600, False),
        (16, 20, 600, True),
        (410, 3414, 600, True),
        (410, 2000, 1200, False),
    ],
)
def test_slow_load_warning_depends_on_throughput_and_time_limit(
    weights_gb: float | None, throughput: int, timeout_s: int, warned: bool
) -> None:
    assert (describe_slow_load(weights_gb, throughput, timeout_s) is not None) == warned


def test_persistent_cache_has_a_storage_class() -> None:
    cache = Gp3Volume(size_gib=1024, iops=20_000, throughput_mib_per_s=1_000)
    assert check_volume("cache", cache) == []
    parameters = build_storage_class_parameters(cache, "arn:key")
    assert parameters["iops"] == "20000"
    assert (parameters["encrypted"], parameters["kmsKeyId"]) == ("true", "arn:key")
    assert all(isinstance(value, str) for value in parameters.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_gib": 70_000}, "root.size_gib = 70000: gp3 allows 1 to 65536"),
        ({"iops": 90_000, "size_gib": 1000}, "root.iops = 90000: gp3 allows 3000 to 80000"),
        ({"iops": 10_000, "size_gib": 10}, "root.iops = 10000: gp3 allows 0 to 5000 at 10 GiB"),
        ({"throughput_mib_per_s": 2500, "iops": 16_000}, "root.throughput_mib_per_s = 2500: gp3 allows 125 to 2000"),
        (
            {"throughput_mib_per_s": 1000, "iops": 3000},
            "root.throughput_mib_per_s = 1000: gp3 allows 0 to 750 at 3000 IOPS",
        ),
    ],
    ids=str,
)
def test_volume_outside_the_limits_of_gp3_is_rejected(changes: dict[str, int], message: str) -> None:
    (problem,) = check_volume("root", replace(ROOT_VOLUME, **changes))
    assert str(problem).startswith(message)


def store(**changes: Any) -> None:
    AwsModelStore("models", replace(samples.STORE, **changes))


def copies(**changes: Any) -> None:
    AwsModelReplication("copies", replace(samples.REPLICATION, **changes))


def fast(**changes: Any) -> None:
    AwsLustre("fast", replace(samples.LUSTRE, **changes))


def shared(**changes: Any) -> None:
    AwsEfs("shared", replace(samples.EFS, **changes))


def workers(**changes: Any) -> None:
    EksNodePool("workers", replace(samples.POOL, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (
            store,
            {"bucket": "novacron.models"},
            "models.bucket = novacron.models: an S3 bucket has 3 to 63",
        ),
        (store, {"bucket": "x" * 64}, "models.bucket = " + "x" * 59 + "…: an S3 bucket has 3 to 63"),
        (store, {"old_versions_days": 0}, "models.old_versions_days = 0: S3 keeps old versions for a day at least"),
        (copies, {"replicas": {}}, "copies.replicas = none: nothing would be replicated"),
        (copies, {"longest_lag_s": 300}, "copies.longest_lag_s = 300: replication promises 15 min"),
        (
            copies,
            {"longest_configuration_lag_s": 30},
            "copies.longest_configuration_lag_s = 30: its alarm looks every 60 s",
        ),
        (
            fast,
            {"capacity_gib": 2400},
            "fast.capacity_gib = 2400: sizes come in steps of 4800 GiB with EFA at 1000 MB/s for each TiB. Use 4800",
        ),
        (
            fast,
            {"capacity_gib": 5000, "efa": False},
            "fast.capacity_gib = 5000: sizes come in steps of 2400 GiB. Use 7200",
        ),
        (fast, {"capacity_gib": 0, "efa": False}, "fast.capacity_gib = 0: sizes come in steps of 2400 GiB. Use 2400"),
        (
            fast,
            {"throughput_mb_per_s_per_tib": 200},
            "fast.throughput_mb_per_s_per_tib = 200: PERSISTENT_2 has 125, 250, 500, 1000",
        ),
        (shared, {"throughput_mib_per_s": 4000}, "shared.throughput_mib_per_s = 4000: EFS provisions 1 to 3414 MiB/s"),
        (
            workers,
            {"root_volume": replace(ROOT_VOLUME, iops=100)},
            "workers.root_volume.iops = 100: gp3 allows 3000 to 80000",
        ),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_storage_arguments_are_rejected_before_any_resource(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)


@pytest.mark.parametrize("capacity_gib", [1200, 2400, 4800])
def test_lustre_without_efa_can_be_small(capacity_gib: int) -> None:
    graph = declare(
        lambda opts: (
            AwsLustre(
                "f", replace(samples.LUSTRE, capacity_gib=capacity_gib, efa=False, bucket=None), opts
            ).file_system.id
        )
    )
    assert graph.one("aws:fsx/lustreFileSystem:LustreFileSystem").inputs["storageCapacity"] == capacity_gib
    assert graph.of("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation") == []
