"""File systems as model stores: how long they take to load weights, and where models are not replicated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_infra.config import CloudEnvironment, Platform, Region, StoreKind
from novacron_infra.config.sections.model_store import OWN_STORE
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.stores import (
    AZURE_FILES_MIB_PER_S,
    EFS_MEASURED_MIB_PER_S,
    EFS_MIB_PER_S,
    FILESTORE_MIB_PER_S,
    AzureBlobStore,
    ExistingBlobStore,
    ExistingBucket,
    ExistingGcsStore,
    ExistingS3Store,
    GcsStore,
    NfsStore,
    RegionStore,
    S3Store,
    describe_slow_load,
    make_store,
)

OBJECT_STORE_MB_PER_S = 85
"""Rate of one file from an object store, in 10^6 bytes a second.

The lower end of 85 to 90 MB/s for each concurrent request ("Performance design patterns for Amazon S3", read on
2026-11-30). The other clouds state no figure, so theirs is assumed to be the same.
"""

_CREATED = {
    # The rate of one client, which is below the provisioned rate of the file system.
    (Platform.AWS, StoreKind.EFS): ("EFS", min(EFS_MIB_PER_S, EFS_MEASURED_MIB_PER_S), "use s3"),
    (Platform.GCP, StoreKind.NFS): ("Filestore", FILESTORE_MIB_PER_S, "use gcs"),
    (Platform.AZURE, StoreKind.NFS): ("Azure Files", AZURE_FILES_MIB_PER_S, "use azure"),
}
"""The clouds' own file systems: name, MiB/s for one replica, and a faster alternative."""


def find_region_store(config: CloudEnvironment, region: Region) -> RegionStore:
    """Return the model store of a region."""
    platform = region.find_platform(config.platform)
    if (existing := _find_existing_bucket(region)) is not None:
        return existing
    replication = find_efs_replication(config)
    return make_store(
        config.store_kind(region),
        config.list_buckets(platform)[region.name],
        replica=replication is not None and replication[1] == region.name,
    )


def _find_existing_bucket(region: Region) -> ExistingBucket | None:
    existing = region.existing
    if existing.aws is not None and existing.aws.bucket is not None:
        return ExistingS3Store(bucket=existing.aws.bucket.name, key_arn=existing.aws.bucket.key_arn)
    if existing.gcp is not None and existing.gcp.bucket is not None:
        return ExistingGcsStore(bucket=existing.gcp.bucket)
    if existing.azure is not None and existing.azure.container is not None:
        account_id, _, container = existing.azure.container.partition("/blobServices/default/containers/")
        return ExistingBlobStore(account_id=account_id, container=container)
    return None


def find_store_rate(store: RegionStore, platform: Platform, parallel: int) -> float | None:
    """Return the rate at which one pod downloads weights, in 10^9 bytes a second.

    Args:
        store: the model store of the region.
        platform: the cloud of the region.
        parallel: files that are read at the same time, which decides the rate of an object store.

    Returns:
        None for an NFS server that exists, whose rate is not known.
    """
    if isinstance(store, S3Store | GcsStore | AzureBlobStore | ExistingBucket):
        return parallel * OBJECT_STORE_MB_PER_S / 1000
    if isinstance(store, NfsStore):
        return None
    kind = StoreKind.EFS if platform is Platform.AWS else StoreKind.NFS
    return _CREATED[platform, kind][1] * 2**20 / 1e9


def find_efs_replication(config: CloudEnvironment) -> tuple[str, str] | None:
    """Return the regions between whose EFS file systems models are replicated: the source and the destination.

    The source is the primary region, or else the first region with EFS by name. A file system has one replica, which
    replication overwrites, so the destination is the first other region by name whose file system is created. None
    when there are no two such regions.
    """
    with_efs, created = _list_efs_regions(config)
    others = [name for name in created if name != with_efs[0]] if with_efs else []
    return (with_efs[0], others[0]) if others else None


def list_store_warnings(config: CloudEnvironment, sizes: Sequence[ReplicaSize]) -> Iterator[str]:
    """Yield the limits of the model stores: those that are too slow, and file systems that are not replicated."""
    weights_gb = round(max(size.replica_weight_bytes for size in sizes) / 1e9)
    loader = config.model.loader
    if any(config.store_kind(region) in OWN_STORE.values() for region in config.regions):
        rate_mib_per_s = loader.parallel * OBJECT_STORE_MB_PER_S * 1e6 / 2**20
        fix = "raise loader.parallel"
        if warning := describe_slow_load("object storage", weights_gb, rate_mib_per_s, loader.timeout_s, fix):
            yield warning
    stores = {region.name: find_region_store(config, region) for region in config.regions}
    if len(stores) > 1:
        first = next(iter(stores))
        # A rule of replication is a part of the source bucket on AWS, and of both accounts on Azure.
        if isinstance(stores[first], ExistingS3Store | ExistingBlobStore):
            yield f"models are not replicated from {first}: its bucket exists, and is not changed"
        elif names := [name for name, store in stores.items() if isinstance(store, ExistingBlobStore)]:
            yield f"models are not replicated to {', '.join(names)}: their accounts exist, and are not changed"
    created: dict[tuple[Platform, StoreKind], list[str]] = {}
    mounted: dict[str, list[str]] = {}
    for region in config.regions:
        cloud, kind = region.find_platform(config.platform), config.store_kind(region)
        bucket = config.list_buckets(cloud)[region.name]
        if kind is StoreKind.NFS and bucket is not None:
            mounted.setdefault(bucket, []).append(region.name)
        elif (cloud, kind) in _CREATED:
            created.setdefault((cloud, kind), []).append(region.name)
    for store, names in created.items():
        what, rate, fix = _CREATED[store]
        if warning := describe_slow_load(what, weights_gb, rate, loader.timeout_s, fix):
            yield warning
        if store[1] is StoreKind.NFS and len(names) > 1:
            yield f"models are not replicated between {', '.join(names)}: upload them to each region's {what}"
    replication, (_, created_efs) = find_efs_replication(config), _list_efs_regions(config)
    if left := [name for name in created_efs if replication is not None and name not in replication]:
        yield f"models are not replicated to {', '.join(left)}: EFS replicates a file system to one other"
    for export, names in mounted.items():
        yield f"workers in {', '.join(names)} mount {export}: connect their networks with the server yourself"


def _list_efs_regions(config: CloudEnvironment) -> tuple[list[str], list[str]]:
    """Return the regions with EFS, and those of them whose file system is created."""
    buckets = config.list_buckets(Platform.AWS)
    found = [item.name for item in config.list_regions(Platform.AWS) if config.store_kind(item) is StoreKind.EFS]
    return found, [name for name in found if buckets[name] is None]
