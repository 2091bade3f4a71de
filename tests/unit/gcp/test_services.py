"""Databases, registry, ingress, pods' accounts and the models' copies: what a user relies on, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp import (
    GcpIngress,
    GcpModelReplication,
    GcpPostgres,
    GcpRedis,
    GcpRegistry,
    GkePodAccount,
    ReplicaArgs,
    render_folder_condition,
)
from novacron_infra.gcp.checks import make_account_id

from tests.unit.gcp import samples
from tests.unit.gcp.graph import PASSWORD, declare
from tests.unit.graph import Graph

SQL, REDIS = "gcp:sql/databaseInstance:DatabaseInstance", "gcp:redis/cluster:Cluster"
LOGIN, USER = "gcp:secretmanager/secretVersion:SecretVersion", "gcp:sql/user:User"
STORAGE_KEY = "projects/acme-prod/keys-storage"


def test_postgres_is_private_encrypted_and_over_tls_only(region: Graph) -> None:
    server = region.one(SQL)
    settings = server.inputs["settings"]
    assert server.inputs["encryptionKeyName"] == STORAGE_KEY
    assert settings["ipConfiguration"] == {
        "ipv4Enabled": False,
        "privateNetwork": region.one("gcp:servicenetworking/connection:Connection").inputs["network"],
        "sslMode": "ENCRYPTED_ONLY",
    }
    assert {"keys-storage-gcp-sa-cloud-sql", "network-google-services"} <= set(server.dependencies)


def test_postgres_has_a_standby_and_goes_back_to_any_second_of_two_weeks(region: Graph) -> None:
    settings = region.one(SQL).inputs["settings"]
    assert (settings["edition"], settings["availabilityType"]) == ("ENTERPRISE_PLUS", "REGIONAL")
    backup = settings["backupConfiguration"]
    assert (backup["pointInTimeRecoveryEnabled"], backup["transactionLogRetentionDays"]) == (True, 14)
    assert backup["backupRetentionSettings"] == {"retainedBackups": 14, "retentionUnit": "COUNT"}
    assert (settings["diskSize"], settings["diskAutoresize"]) == (1024, False)


@pytest.mark.parametrize("protect", [True, False])
def test_postgres_is_protected_as_the_environment_is(protect: bool) -> None:
    graph = declare(lambda opts: GcpPostgres("pg", replace(samples.POSTGRES, protect=protect), opts).endpoint)
    server = graph.one(SQL)
    settings = server.inputs["settings"]
    assert server.protect is server.inputs["deletionProtection"] is settings["deletionProtectionEnabled"] is protect
    assert settings["finalBackupConfig"]["enabled"] is protect
    assert graph.result == "10.0.240.3:5432"


def test_database_password_is_generated_and_only_in_secret_manager(region: Graph) -> None:
    user, login, secret = region.one(USER), region.one(LOGIN), region.one("gcp:secretmanager/secret:Secret")
    assert user.secrets == ("password",)
    assert login.secrets == ("secretData",)
    assert json.loads(login.inputs["secretData"]) == {"username": "novacron", "password": PASSWORD}
    assert user.inputs["password"] == PASSWORD
    (replica,) = secret.inputs["replication"]["userManaged"]["replicas"]
    assert replica == {"location": "us-central1", "customerManagedEncryption": {"kmsKeyName": STORAGE_KEY}}


def test_a_given_password_is_taken() -> None:
    args = replace(samples.POSTGRES, password="given")
    graph = declare(lambda opts: GcpPostgres("pg", args, opts).secret_id)
    assert graph.one(USER).inputs["password"] == "given"
    assert json.loads(graph.one(LOGIN).inputs["secretData"])["password"] == "given"
    assert graph.result == "projects/acme-prod/pg-login"


def test_redis_is_encrypted_and_asks_iam_who_may_sign_in(region: Graph) -> None:
    cluster = region.one(REDIS)
    inputs = cluster.inputs
    assert inputs["kmsKey"] == STORAGE_KEY
    assert inputs["transitEncryptionMode"] == "TRANSIT_ENCRYPTION_MODE_SERVER_AUTHENTICATION"
    assert inputs["authorizationMode"] == "AUTH_MODE_IAM_AUTH"
    assert (inputs["shardCount"], inputs["replicaCount"]) == (3, 1)
    assert "keys-storage-cloud-redis" in cluster.dependencies


def test_redis_may_take_addresses_before_it_is_made(region: Graph) -> None:
    policy = region.one("gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy")
    assert policy.inputs["serviceClass"] == "gcp-memorystore-redis"
    cluster = region.one(REDIS)
    assert policy.name in cluster.dependencies
    assert cluster.inputs["pscConfigs"] == [{"network": policy.inputs["network"]}]
    graph = declare(lambda opts: GcpRedis("r", samples.REDIS, opts).endpoint)
    assert graph.result == "10.0.128.7"


def test_images_are_scanned_encrypted_and_never_overwritten(region: Graph) -> None:
    repository = region.one("gcp:artifactregistry/repository:Repository")
    assert repository.protect
    assert repository.inputs["dockerConfig"] == {"immutableTags": True}
    assert repository.inputs["vulnerabilityScanningConfig"] == {"enablementConfig": "INHERITED"}
    assert repository.inputs["kmsKeyName"] == STORAGE_KEY
    (policy,) = repository.inputs["cleanupPolicies"]
    assert (policy["action"], policy["condition"]) == (
        "DELETE",
        {"tagState": "UNTAGGED", "olderThan": f"{14 * 24 * 3600}s"},
    )
    graph = declare(lambda opts: GcpRegistry("i", samples.REGISTRY, opts).url)
    assert graph.result == "us-central1-docker.pkg.dev/acme-prod/prod-novacron"


def test_the_front_door_is_an_address_of_the_region_that_stays(region: Graph) -> None:
    address = region.one("gcp:compute/address:Address")
    assert address.protect
    assert (address.inputs["addressType"], address.inputs["networkTier"]) == ("EXTERNAL", "PREMIUM")
    assert address.inputs["region"] == "us-central1"
    graph = declare(lambda opts: GcpIngress("d", replace(samples.INGRESS, protect=False), opts).address)
    assert not graph.one("gcp:compute/address:Address").protect
    assert graph.result == "203.0.113.7"


def test_an_account_is_for_one_service_account_once_the_cluster_is_there(region: Graph) -> None:
    grant = region.one("gcp:serviceaccount/iAMMember:IAMMember")
    assert grant.inputs["role"] == "roles/iam.workloadIdentityUser"
    assert grant.inputs["member"] == "serviceAccount:acme-prod.svc.id.goog[novacron-llm/llm-workers]"
    assert "prod-cluster" in grant.dependencies


def test_the_account_of_a_long_name_has_an_id_that_google_takes() -> None:
    name = "staging-northamerica-northeast1-llm-workers"
    graph = declare(lambda opts: GkePodAccount(name, samples.POD_ACCOUNT, opts).email)
    id_ = graph.one("gcp:serviceaccount/account:Account").inputs["accountId"]
    assert 6 <= len(id_) <= 30
    assert id_ == make_account_id(name)
    assert make_account_id("prod-us-central1-nodes") == "prod-us-central1-nodes"
    assert make_account_id(name) != make_account_id("staging-northamerica-northeast1-llm-coordinators")


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [("models", "projects/_/buckets/b/objects/models/"), ("", "projects/_/buckets/b/objects/")],
)
def test_a_condition_holds_for_a_folder_and_for_listing(prefix: str, folder: str) -> None:
    expected = f'resource.type == "storage.googleapis.com/Bucket" || resource.name.startsWith("{folder}")'
    assert render_folder_condition("b", prefix) == expected
    also = ' || resource.name.startsWith("projects/_/buckets/b/objects/configuration/")'
    assert render_folder_condition("b", prefix, "configuration") == expected + also


def test_models_are_copied_each_hour_and_never_deleted(region: Graph) -> None:
    job = region.one("gcp:storage/transferJob:TransferJob", "copies-to-us-east1").inputs
    spec = job["transferSpec"]
    assert spec["gcsDataSource"]["bucketName"] == "novacron-models"
    assert spec["gcsDataSink"]["bucketName"] == "novacron-models-us-east1"
    assert spec["objectConditions"] == {"includePrefixes": ["models/", "configuration/"]}
    assert spec["transferOptions"] == {"overwriteWhen": "DIFFERENT", "deleteObjectsUniqueInSink": False}
    assert (job["status"], job["schedule"]["repeatInterval"]) == ("ENABLED", "3600s")
    assert job["name"] == "transferJobs/copies-to-us-east1"


def test_only_the_transfer_service_reads_the_source_and_writes_the_copies(region: Graph) -> None:
    grants = region.of("gcp:storage/bucketIAMMember:BucketIAMMember")
    assert {item.inputs["member"] for item in grants} == {
        "serviceAccount:project-123456789012@storage-transfer-service.iam.gserviceaccount.com"
    }
    assert {(item.inputs["bucket"], item.inputs["role"]) for item in grants} == {
        ("novacron-models", "roles/storage.objectViewer"),
        ("novacron-models", "roles/storage.legacyBucketOwner"),
        ("novacron-models-us-east1", "roles/storage.objectViewer"),
        ("novacron-models-us-east1", "roles/storage.legacyBucketWriter"),
    }
    jobs = region.of("gcp:storage/transferJob:TransferJob")
    assert len(jobs) == 2
    assert all({item.name for item in grants} <= set(job.dependencies) for job in jobs)


def test_a_change_of_configuration_starts_its_copy(region: Graph) -> None:
    job = region.one("gcp:storage/transferJob:TransferJob", "copies-configuration-to-us-east1")
    assert job.inputs["name"] == ""
    assert job.inputs["replicationSpec"] == {
        "gcsDataSource": {"bucketName": "novacron-models"},
        "gcsDataSink": {"bucketName": "novacron-models-us-east1"},
        "objectConditions": {"includePrefixes": ["configuration/"]},
        "transferOptions": {"overwriteWhen": "DIFFERENT"},
    }
    assert not {"schedule", "transferSpec"} & set(job.inputs)
    may = {item.name: item.inputs for item in region.of("gcp:projects/iAMMember:IAMMember")}
    assert (may["copies-editor"]["role"], may["copies-publisher"]["role"]) == (
        "roles/pubsub.editor",
        "roles/pubsub.publisher",
    )
    assert may["copies-publisher"]["member"].endswith("@gs-project-accounts.iam.gserviceaccount.com")
    assert {"copies-editor", "copies-publisher"} <= set(job.dependencies)


def test_late_and_failed_copies_of_configuration_trigger_an_alert(region: Graph) -> None:
    alert = region.one("gcp:monitoring/alertPolicy:AlertPolicy", "copies-configuration-alert-us-east1").inputs
    late, failed = (condition["conditionThreshold"] for condition in alert["conditions"])
    between = 'source_bucket = "novacron-models" AND metric.labels.destination_bucket = "novacron-models-us-east1"'
    assert 'metric.type = "storagetransfer.googleapis.com/transferjob/replication_latency"' in late["filter"]
    assert late["thresholdValue"] == 300_000  # ms
    assert late["aggregations"][0]["perSeriesAligner"] == "ALIGN_PERCENTILE_99"
    assert '/object_replication_count" AND metric.labels.status = "failed"' in failed["filter"]
    assert (failed["thresholdValue"], failed["aggregations"][0]["perSeriesAligner"]) == (0, "ALIGN_SUM")
    assert all(item["filter"].endswith(between) for item in (late, failed))
    assert alert["combiner"] == "OR"
    assert alert["notificationChannels"] == ["projects/acme-prod/notificationChannels/1"]


def test_models_in_the_whole_bucket_are_copied_with_all_of_it() -> None:
    args = replace(samples.REPLICATION, prefix="")
    graph = declare(lambda opts: list(GcpModelReplication("copies", args, opts).jobs))
    job = graph.one("gcp:storage/transferJob:TransferJob", "copies-to-us-east1").inputs
    assert "objectConditions" not in job["transferSpec"]


def test_failed_model_copy_triggers_an_alert(region: Graph) -> None:
    alert = region.one("gcp:monitoring/alertPolicy:AlertPolicy", "copies-alert-us-east1").inputs
    (condition,) = alert["conditions"]
    threshold = condition["conditionThreshold"]
    assert 'metric.type = "storagetransfer.googleapis.com/transferjob/error_count"' in threshold["filter"]
    assert threshold["filter"].endswith('resource.labels.job_id = ends_with("copies-to-us-east1")')
    assert (threshold["comparison"], threshold["thresholdValue"]) == ("COMPARISON_GT", 0)
    assert alert["notificationChannels"] == ["projects/acme-prod/notificationChannels/1"]


def test_each_region_has_a_copy_and_the_source_is_granted_once() -> None:
    replicas = {name: ReplicaArgs(bucket=f"models-{name}") for name in ("us-east1", "europe-west4")}
    args = replace(samples.REPLICATION, replicas=replicas)
    graph = declare(lambda opts: list(GcpModelReplication("copies", args, opts).jobs))
    assert graph.result == ["us-east1", "europe-west4"]
    assert len(graph.of("gcp:storage/bucketIAMMember:BucketIAMMember")) == 2 + 2 * 2
    assert len(graph.of("gcp:projects/iAMMember:IAMMember")) == 2
    assert len(graph.of("gcp:monitoring/alertPolicy:AlertPolicy")) == 2 * 2


def postgres(name: str = "state", **changes: Any) -> None:
    GcpPostgres(name, replace(samples.POSTGRES, **changes))


def redis(name: str = "cache", **changes: Any) -> None:
    GcpRedis(name, replace(samples.REDIS, **changes))


def registry(name: str = "images", **changes: Any) -> None:
    GcpRegistry(name, replace(samples.REGISTRY, **changes))


def copies(name: str = "copies", **changes: Any) -> None:
    GcpModelReplication(name, replace(samples.REPLICATION, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (postgres, {"storage_gib": 5}, "state.storage_gib = 5: Cloud SQL has disks of 10 to 65536 GiB for Postgres"),
        (postgres, {"backup_days": 0}, "state.backup_days = 0: Cloud SQL keeps logs for 1 to 35 days"),
        (
            postgres,
            {"instance_class": "db-custom-8-32768"},
            "state.instance_class = db-custom-8-32768: Enterprise Plus has no such machine",
        ),
        (postgres, {"name": "x" * 48}, "it has 48 characters, and names made from it may have 47"),
        (redis, {"shards": 0}, "cache.shards = 0: a cluster has a shard at least"),
        (redis, {"replicas_per_shard": 0}, "cache.replicas_per_shard = 0: a shard without a replica"),
        (redis, {"replicas_per_shard": 6}, "cache.replicas_per_shard = 6: a shard has 0 to 5 replicas"),
        (registry, {"repository": "nova/cron"}, "images.repository = nova/cron: it is not a valid repository name"),
        (registry, {"untagged_days": 0}, "images.untagged_days = 0: an image that a push is about to tag"),
        (copies, {"replicas": {}}, "copies.replicas = none: nothing would be replicated"),
        (
            copies,
            {"longest_configuration_lag_s": 30},
            "copies.longest_configuration_lag_s = 30: lags are sampled every 60 s",
        ),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_rejected_before_any_resource(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)
    assert len(error.value.problems) == 1
