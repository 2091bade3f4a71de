"""Model stores of a region: one type for each kind, their URLs, and how long a replica loads its weights from files.

The resources are in each cloud's `storage`.
"""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.config.sections.model_store import StoreKind

EFS_MIB_PER_S = 2000
"""Throughput that is provisioned for each new EFS file system."""
EFS_MEASURED_MIB_PER_S = 894 * 1024 / (43 * 60)
"""Two p5en loaded 894 GiB in about 43 minutes (modelplane issue 204): the clients' limit."""
FILESTORE_READ_MIB_PER_S_PER_TIB = 260
"""Filestore documentation, "Zonal service tier", read on 2026-11-25."""
FILESTORE_GIB = 7_936
"""Capacity of a new Filestore instance: the smallest that reads as fast as the file systems of the other clouds."""
FILESTORE_MIB_PER_S = FILESTORE_GIB / 1024 * FILESTORE_READ_MIB_PER_S_PER_TIB
AZURE_FILES_MIB_PER_S = 2000
"""Throughput that is provisioned for each new Azure Files share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Store:
    """A bucket that is created, on AWS."""

    bucket: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsStore:
    """A bucket that is created, on Google Cloud."""

    bucket: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureBlobStore:
    """A storage account and its container that are created, on Azure."""

    account: str
    container: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEfsStore:
    """An EFS file system that is created, on AWS."""

    replica: bool = False
    """Whether replication from another region may overwrite it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingEfsStore:
    """An EFS file system that exists and gets mount targets, on AWS."""

    file_system_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedNfsStore:
    """A file system that is created: Filestore on Google Cloud, Azure Files on Azure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NfsStore:
    """An NFS server that exists, on any cloud."""

    export: str
    """`server:/export`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingS3Store:
    """A bucket that exists, on AWS."""

    bucket: str
    key_arn: str | None = None
    """Key of its objects. None: S3 encrypts them with keys of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingGcsStore:
    """A bucket that exists, on Google Cloud."""

    bucket: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingBlobStore:
    """A container that exists, on Azure."""

    account_id: str
    """Resource id of its storage account."""
    container: str

    @property
    def account(self) -> str:
        """Name of the storage account."""
        return self.account_id.rpartition("/")[2]

    @property
    def container_id(self) -> str:
        """Resource id of the container."""
        return f"{self.account_id}/blobServices/default/containers/{self.container}"


ExistingBucket = ExistingS3Store | ExistingGcsStore | ExistingBlobStore
"""Object storage that exists."""
RegionStore = (
    S3Store | GcsStore | AzureBlobStore | ExistingBucket | NewEfsStore | ExistingEfsStore | ManagedNfsStore | NfsStore
)
"""The model store of one region."""
AwsStore = S3Store | ExistingS3Store | NewEfsStore | ExistingEfsStore | NfsStore
GcpStore = GcsStore | ExistingGcsStore | ManagedNfsStore | NfsStore
AzureStore = AzureBlobStore | ExistingBlobStore | ManagedNfsStore | NfsStore


def make_store(kind: StoreKind, bucket: str | None, *, replica: bool = False) -> RegionStore:
    """Return the model store that a configuration names.

    Args:
        kind: what `check_store` accepts for the region's cloud.
        bucket: as `model.store.bucket` is written; None where a file system is created.
        replica: whether replication from another region may overwrite a new EFS file system.
    """
    if kind is StoreKind.EFS:
        return NewEfsStore(replica=replica) if bucket is None else ExistingEfsStore(file_system_id=bucket)
    if kind is StoreKind.NFS:
        return ManagedNfsStore() if bucket is None else NfsStore(export=bucket)
    if bucket is None:
        raise ValueError(f"a model store of kind {kind.value} needs a bucket")
    if kind is StoreKind.AZURE:
        account, _, container = bucket.partition("/")
        return AzureBlobStore(account=account, container=container)
    return S3Store(bucket=bucket) if kind is StoreKind.S3 else GcsStore(bucket=bucket)


def make_store_url(address: str, prefix: str) -> str:
    """Return the URL of the models: `prefix` below an address such as `s3://bucket`."""
    return f"{address.rstrip('/')}/{prefix}".rstrip("/")


def make_nfs_address(export: str) -> str:
    """Return `server:/export` as a URL."""
    server, _, path = export.partition(":")
    return f"nfs://{server}{path}"


def describe_slow_load(
    what: str, weights_gb: float | None, rate_mib_per_s: float, timeout_s: int, fix: str
) -> str | None:
    """Return a warning when a replica cannot load its weights from files before its loader gives up, or None.

    Args:
        what: the file service, such as EFS.
        weights_gb: weights of one replica in 10^9 bytes; None when it does not load from there.
        rate_mib_per_s: read rate of one replica.
        timeout_s: how long the loader waits.
        fix: what to use instead, such as `use s3`.
    """
    if weights_gb is None:
        return None
    seconds = weights_gb * 1e9 / (rate_mib_per_s * 2**20)
    if seconds <= timeout_s:
        return None
    return (
        f"loading {weights_gb:g} GB from {what} takes about {seconds / 60:.0f} min at {rate_mib_per_s:.0f} MiB/s, and "
        f"the loader waits {timeout_s / 60:g} min: {fix}, or raise loader.timeout_s"
    )
