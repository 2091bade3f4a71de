"""Buckets, disks and file systems: what a user relies on, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp import DiskAccess, GcpFilestore, GcpLustre, GcpModelDisk, GcpModelStore
from novacron_infra.gcp.storage import describe_slow_load

from tests.unit.gcp import samples
from tests.unit.gcp.graph import declare
from tests.unit.graph import Graph

BUCKET, DISK = "gcp:storage/bucket:Bucket", "gcp:compute/disk:Disk"


def test_models_are_private_versioned_encrypted_and_kept(region: Graph) -> None:
    bucket = region.one(BUCKET)
    assert bucket.protect
    inputs = bucket.inputs
    assert (inputs["uniformBucketLevelAccess"], inputs["publicAccessPrevention"]) == (True, "enforced")
    assert inputs["encryption"] == {"defaultKmsKeyName": samples.STORE.key_id}
    assert inputs["versioning"] == {"enabled": True}
    assert inputs["forceDestroy"] is False
    old, uploads = inputs["lifecycleRules"]
    assert old == {
        "action": {"type": "Delete"},
        "condition": {"daysSinceNoncurrentTime": 30, "withState": "ARCHIVED"},
    }
    assert uploads["action"] == {"type": "AbortIncompleteMultipartUpload"}


def test_a_second_region_has_every_model_within_the_promise(region: Graph) -> None:
    inputs = region.one(BUCKET).inputs
    assert (inputs["location"], inputs["rpo"]) == ("US", "ASYNC_TURBO")
    assert inputs["customPlacementConfig"] == {"dataLocations": ["US-CENTRAL1", "US-EAST1"]}


@pytest.mark.parametrize(
    ("changes", "location", "rpo"),
    [
        ({"second_region": None, "turbo": False}, "us-central1", None),
        ({"turbo": False}, "US", "DEFAULT"),
        ({"region": "europe-west4", "second_region": "europe-west1"}, "EU", "ASYNC_TURBO"),
        ({"region": "asia-northeast1", "second_region": "asia-southeast1"}, "ASIA", "ASYNC_TURBO"),
    ],
    ids=str,
)
def test_a_bucket_lies_where_it_is_put(changes: dict[str, Any], location: str, rpo: str | None) -> None:
    graph = declare(lambda opts: GcpModelStore("models", replace(samples.STORE, **changes), opts).url)
    inputs = graph.one(BUCKET).inputs
    assert (inputs["location"], inputs.get("rpo")) == (location, rpo)
    assert ("customPlacementConfig" in inputs) == (rpo is not None)
    assert graph.result == "gs://novacron-models"


def test_a_model_disk_is_filled_by_one_and_read_by_all(region: Graph) -> None:
    inputs = region.one(DISK).inputs
    assert (inputs["type"], inputs["accessMode"], inputs["provisionedThroughput"]) == (
        "hyperdisk-ml",
        "READ_ONLY_MANY",
        24_000,
    )
    assert inputs["diskEncryptionKey"] == {"kmsKeySelfLink": "projects/acme-prod/keys-storage"}
    filling = replace(samples.DISK, access=DiskAccess.FILL)
    graph = declare(lambda opts: GcpModelDisk("disk", filling, opts).volume_handle)
    assert graph.one(DISK).inputs["accessMode"] == "READ_WRITE_SINGLE"


def test_lustre_is_fast_and_encrypted(region: Graph) -> None:
    inputs = region.one("gcp:lustre/instance:Instance").inputs
    assert (inputs["capacityGib"], inputs["perUnitStorageThroughput"]) == ("18000", "1000")
    assert inputs["kmsKey"] == "projects/acme-prod/keys-storage"
    assert (inputs["filesystem"], inputs["location"]) == ("models", "us-central1-a")


def test_filestore_is_encrypted_and_protected(region: Graph) -> None:
    instance = region.one("gcp:filestore/instance:Instance")
    assert instance.protect
    assert instance.inputs["deletionProtectionEnabled"] is True
    assert (instance.inputs["tier"], instance.inputs["kmsKeyName"]) == ("ZONAL", "projects/acme-prod/keys-storage")
    assert instance.inputs["fileShares"] == {"name": "models", "capacityGb": 10_240}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_: messages.append(message))
    return messages


def test_405b_from_a_small_filestore_is_warned_of(told: list[str]) -> None:
    small = replace(samples.FILESTORE, capacity_gib=2048, weights_gb=410)
    declare(lambda opts: GcpFilestore("s", small, opts).instance.name)
    (message,) = told
    assert message.startswith(
        "s: loading 410 GB from Filestore takes about 13 min at 520 MiB/s, and the loader waits 10"
    )


def test_replicas_share_a_model_disk(told: list[str]) -> None:
    one = replace(samples.DISK, throughput_mib_per_s=2400, weights_gb=410)
    declare(lambda opts: GcpModelDisk("one", one, opts).volume_handle)
    assert told == []
    declare(lambda opts: GcpModelDisk("many", replace(one, replicas=16), opts).volume_handle)
    (message,) = told
    assert message.startswith("many: loading 410 GB from this disk takes about 43 min at 150 MiB/s")


@pytest.mark.parametrize(
    ("weights_gb", "rate", "timeout_s", "warned"),
    [(None, 1, 1, False), (16, 2600, 600, False), (16, 20, 600, True), (410, 520, 600, True), (410, 520, 1200, False)],
)
def test_the_warning_depends_on_rate_and_patience(
    weights_gb: float | None, rate: float, timeout_s: int, warned: bool
) -> None:
    assert (describe_slow_load("there", weights_gb, rate, timeout_s) is not None) == warned


def store(**changes: Any) -> None:
    GcpModelStore("models", replace(samples.STORE, **changes))


def disk(**changes: Any) -> None:
    GcpModelDisk("disk", replace(samples.DISK, **changes))


def fast(**changes: Any) -> None:
    GcpLustre("fast", replace(samples.LUSTRE, **changes))


def shared(**changes: Any) -> None:
    GcpFilestore("shared", replace(samples.FILESTORE, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (store, {"bucket": "novacron.models"}, "models.bucket = novacron.models: a Cloud Storage bucket has 3 to 63"),
        (store, {"bucket": "x" * 64}, "models.bucket = " + "x" * 59 + "…: a Cloud Storage bucket has 3 to 63"),
        (store, {"bucket": "google-models"}, "models.bucket = google-models: a Cloud Storage bucket has 3 to 63"),
        (store, {"old_versions_days": 0}, "models.old_versions_days = 0: an old version is kept for a day at least"),
        (store, {"second_region": None}, "models.turbo = True: turbo replication goes between two regions"),
        (
            store,
            {"second_region": "europe-west4"},
            "models.second_region = europe-west4: a dual-region bucket needs two regions of one continent",
        ),
        (
            store,
            {"second_region": "us-central1"},
            "models.second_region = us-central1: a dual-region bucket",
        ),
        (
            store,
            {"region": "me-west1", "second_region": "me-central1"},
            "models.second_region = me-central1: a dual-region bucket needs two regions",
        ),
        (disk, {"size_gib": 70_000}, "disk.size_gib = 70000: Hyperdisk ML has 4 to 65536"),
        (disk, {"throughput_mib_per_s": 100}, "disk.throughput_mib_per_s = 100: Hyperdisk ML has 400 to 1200000"),
        (disk, {"replicas": 0}, "disk.replicas = 0: no replica would load the model"),
        (
            fast,
            {"capacity_gib": 10_000},
            "fast.capacity_gib = 10000: at 1000 MB/s for each TiB sizes are multiples of 9000 up to 1530000. Use 18000",
        ),
        (fast, {"capacity_gib": 0}, "fast.capacity_gib = 0: at 1000 MB/s for each TiB sizes are multiples of 9000"),
        (
            fast,
            {"capacity_gib": 72_000 * 171, "throughput_mb_per_s_per_tib": 125},
            "fast.capacity_gib = 12312000: at 125 MB/s for each TiB sizes are multiples of 72000 up to 12240000. Use",
        ),
        (
            fast,
            {"throughput_mb_per_s_per_tib": 200},
            "fast.throughput_mb_per_s_per_tib = 200: Managed Lustre has 125, 250, 500, 1000",
        ),
        (fast, {"file_system": "models-405b"}, "fast.file_system = models-405b: Lustre names a file system in 8"),
        (
            shared,
            {"capacity_gib": 10_000},
            "shared.capacity_gib = 10000: Filestore has 1024 to 9984 in steps of 256, 10240 to 102400 in steps of 2560."
            " Use 10240",
        ),
        (shared, {"capacity_gib": 200_000}, "shared.capacity_gib = 200000: Filestore has"),
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
