"""Where models lie: the bucket, and the disks and file systems that bring them to the GPUs.

Not for volumes of pods: their storage classes name what is made here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi
import pulumi_gcp as gcp

from novacron_infra import stores
from novacron_infra.aliases import with_former_type
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import NAME_CHARACTERS, build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.names import GCS_BUCKET
from novacron_infra.tags import Tags

_LONGEST_NAME = NAME_CHARACTERS - len("-lustre") - 8
"""A generated name adds 8 characters."""
_ABORT_UPLOADS_AFTER_DAYS = 7
_AROUND = {"us": "US", "northamerica": "US", "europe": "EU", "asia": "ASIA"}
"""The multi-region around a region, by the region's first word: where a bucket over two regions is placed."""
_GIB_PER_TIB = 1024

# Compute Engine documentation, "About Hyperdisk ML", read on 2026-11-25. It narrows the throughput further by the size;
# that is left to Compute Engine to say.
HYPERDISK_ML_GIB = (4, 65_536)
HYPERDISK_ML_MIB_PER_S = (400, 1_200_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class LustreTier:
    """Sizes of Managed Lustre at one throughput: multiples of `step_gib`, up to `largest_gib`."""

    step_gib: int
    largest_gib: int


LUSTRE_TIERS = {
    1000: LustreTier(step_gib=9_000, largest_gib=1_530_000),
    500: LustreTier(step_gib=18_000, largest_gib=3_060_000),
    250: LustreTier(step_gib=36_000, largest_gib=6_120_000),
    125: LustreTier(step_gib=72_000, largest_gib=12_240_000),
}
"""Tiers by MB/s per TiB; larger ones have larger steps.

Managed Lustre documentation, "Performance tiers", read on 2026-11-25.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilestoreRange:
    """Sizes of Filestore, zonal: multiples of `step_gib` from `smallest_gib` to `largest_gib`."""

    smallest_gib: int
    largest_gib: int
    step_gib: int


FILESTORE_RANGES = (
    FilestoreRange(smallest_gib=1_024, largest_gib=9_984, step_gib=256),
    FilestoreRange(smallest_gib=10_240, largest_gib=102_400, step_gib=2_560),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpModelStoreArgs:
    """A bucket of models."""

    bucket: str
    """Its name, unique in all of Google Cloud; without dots, which only domains that one owns may have."""
    region: str
    key_id: pulumi.Input[str]
    """In the bucket's location: the region, or with `second_region` the multi-region around both."""
    tags: Tags
    second_region: str | None = None
    """Keeps every model in this region too."""
    turbo: bool = False
    """With a second region: within 15 minutes, instead of most objects within an hour."""
    old_versions_days: int = 30
    """How long an overwritten or deleted model can be brought back."""
    protect: bool = True
    """Whether destroying the stack stops at the models."""


class GcpModelStore(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket, in one region or two.

    Raises:
        ArgumentError: the name is none, or the regions are not of one continent.
    """

    bucket: gcp.storage.Bucket
    url: pulumi.Output[str]
    """`gs://` and the name."""

    def __init__(self, name: str, args: GcpModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name, _LONGEST_NAME), *check_labels(name, args.tags), *_check_bucket(name, args)])
        super().__init__("novacron:index:GcpModelStore", name, None, opts)
        two = args.second_region is not None
        self.bucket = gcp.storage.Bucket(
            f"{name}-models",
            name=args.bucket,
            location=_around(args.region) if two else args.region,
            custom_placement_config=gcp.storage.BucketCustomPlacementConfigArgs(
                data_locations=[region.upper() for region in (args.region, args.second_region) if region is not None]
            )
            if two
            else None,
            rpo=("ASYNC_TURBO" if args.turbo else "DEFAULT") if two else None,
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=args.key_id),
            versioning=gcp.storage.BucketVersioningArgs(enabled=True),
            lifecycle_rules=[
                gcp.storage.BucketLifecycleRuleArgs(
                    action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
                    condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                        days_since_noncurrent_time=args.old_versions_days, with_state="ARCHIVED"
                    ),
                ),
                gcp.storage.BucketLifecycleRuleArgs(
                    action=gcp.storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
                    condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=_ABORT_UPLOADS_AFTER_DAYS),
                ),
            ],
            force_destroy=False,
            labels=build_labels(args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.url = self.bucket.url
        self.register_outputs({"url": self.url})


class DiskAccess(str, Enum):
    """How a disk may be attached."""

    FILL = "READ_WRITE_SINGLE"
    """To one machine, which writes the model."""
    SERVE = "READ_ONLY_MANY"
    """To every node of the zone, read-only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpModelDiskArgs:
    """A disk with one model, in the zone of the GPUs."""

    zone: str
    size_gib: int
    throughput_mib_per_s: int
    """Throughput of all nodes together."""
    key_id: pulumi.Input[str]
    tags: Tags
    access: DiskAccess = DiskAccess.FILL
    weights_gb: float | None = None
    """Weights of one replica, 10^9 bytes, if it loads them from here."""
    replicas: int = 1
    """Replicas that load at the same time and share the throughput."""
    load_timeout_s: int = 600


class GcpModelDisk(pulumi.ComponentResource):
    """Hyperdisk ML: filled once, then read by every node at a throughput of its own.

    Raises:
        ArgumentError: Compute Engine has no such disk.
    """

    disk: gcp.compute.Disk
    volume_handle: pulumi.Output[str]
    """For a persistent volume of the CSI driver."""

    def __init__(self, name: str, args: GcpModelDiskArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name, _LONGEST_NAME), *check_labels(name, args.tags), *_check_disks(name, args)])
        super().__init__("novacron:index:GcpModelDisk", name, None, opts)
        rate = args.throughput_mib_per_s / args.replicas
        if warning := describe_slow_load("this disk", args.weights_gb, rate, args.load_timeout_s):
            pulumi.log.warn(f"{name}: {warning}", self)
        self.disk = gcp.compute.Disk(
            f"{name}-model",
            type="hyperdisk-ml",
            zone=args.zone,
            size=args.size_gib,
            provisioned_throughput=args.throughput_mib_per_s,
            access_mode=args.access.value,
            disk_encryption_key=gcp.compute.DiskDiskEncryptionKeyArgs(kms_key_self_link=args.key_id),
            labels=build_labels(args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.volume_handle = self.disk.id
        self.register_outputs({"volume_handle": self.volume_handle})


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpLustreArgs:
    """A Lustre file system, in the zone of the GPUs."""

    zone: str
    capacity_gib: int
    network_id: pulumi.Input[str]
    """Network of the cluster, once it is peered with Google Cloud services."""
    key_id: pulumi.Input[str]
    tags: Tags
    throughput_mb_per_s_per_tib: int = 1000
    file_system: str = "models"
    """Name that clients mount, of up to 8 letters and digits."""


class GcpLustre(pulumi.ComponentResource):
    """Managed Lustre: models at hundreds of MB/s for each TiB.

    Raises:
        ArgumentError: Managed Lustre has no file system of this size and throughput.
    """

    instance: gcp.lustre.Instance
    mount_point: pulumi.Output[str]

    def __init__(self, name: str, args: GcpLustreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name, _LONGEST_NAME), *check_labels(name, args.tags), *_check_lustre(name, args)])
        super().__init__("novacron:index:GcpLustre", name, None, with_former_type(opts, "novacron:index:GcpFastFiles"))
        self.instance = gcp.lustre.Instance(
            f"{name}-lustre",
            instance_id=f"{name}-lustre",
            filesystem=args.file_system,
            location=args.zone,
            network=args.network_id,
            capacity_gib=str(args.capacity_gib),
            per_unit_storage_throughput=str(args.throughput_mb_per_s_per_tib),
            kms_key=args.key_id,
            labels=build_labels(args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.mount_point = self.instance.mount_point
        self.register_outputs({"mount_point": self.mount_point})


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpFilestoreArgs:
    """A Filestore instance."""

    zone: str
    capacity_gib: int
    network_id: pulumi.Input[str]
    """Network of the cluster, once it is peered with Google Cloud services."""
    key_id: pulumi.Input[str]
    tags: Tags
    weights_gb: float | None = None
    """Weights of one replica, 10^9 bytes, if it loads them from here."""
    load_timeout_s: int = 600
    protect: bool = True


class GcpFilestore(pulumi.ComponentResource):
    """Filestore, zonal. Warns where a model would take longer to load than its loader waits.

    Raises:
        ArgumentError: Filestore has no instance of this size.
    """

    instance: gcp.filestore.Instance
    file_share: str
    export: pulumi.Output[str]
    """Address that clients mount: host:/share."""

    def __init__(self, name: str, args: GcpFilestoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [*check_name(name, _LONGEST_NAME), *check_labels(name, args.tags), *_check_filestore(name, args)]
        )
        super().__init__(
            "novacron:index:GcpFilestore", name, None, with_former_type(opts, "novacron:index:GcpSharedFiles")
        )
        rate = args.capacity_gib / _GIB_PER_TIB * stores.FILESTORE_READ_MIB_PER_S_PER_TIB
        if warning := describe_slow_load("Filestore", args.weights_gb, rate, args.load_timeout_s):
            pulumi.log.warn(f"{name}: {warning}", self)
        self.file_share = "models"
        self.instance = gcp.filestore.Instance(
            f"{name}-files",
            tier="ZONAL",
            location=args.zone,
            protocol="NFS_V4_1",
            file_shares=gcp.filestore.InstanceFileSharesArgs(name=self.file_share, capacity_gb=args.capacity_gib),
            networks=[
                gcp.filestore.InstanceNetworkArgs(
                    network=args.network_id, modes=["MODE_IPV4"], connect_mode="PRIVATE_SERVICE_ACCESS"
                )
            ],
            kms_key_name=args.key_id,
            deletion_protection_enabled=args.protect,
            labels=build_labels(args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.export = self.instance.networks.apply(_address).apply(lambda address: f"{address}:/{self.file_share}")
        self.register_outputs({"instance": self.instance.name, "file_share": self.file_share})


def describe_slow_load(what: str, weights_gb: float | None, rate_mib_per_s: float, timeout_s: int) -> str | None:
    """Return a warning if a replica would not load its weights from there in time, or None."""
    return stores.describe_slow_load(what, weights_gb, rate_mib_per_s, timeout_s, "use something faster")


def _address(networks: Sequence[gcp.filestore.outputs.InstanceNetwork]) -> str:
    return (networks[0].ip_addresses or [""])[0]


def _around(region: str) -> str:
    return _AROUND.get(region.partition("-")[0], "")


def _check_bucket(name: str, args: GcpModelStoreArgs) -> list[Problem]:
    found = list(GCS_BUCKET.check(f"{name}.bucket", args.bucket))
    if args.old_versions_days < 1:
        path, value = f"{name}.old_versions_days", str(args.old_versions_days)
        found.append(Problem(path, value, "an old version is kept for a day at least", "Use 1 or more"))
    if args.second_region is None:
        if args.turbo:
            rule = "turbo replication goes between two regions"
            found.append(Problem(f"{name}.turbo", "True", rule, "Name a second_region, or leave it out"))
        return found
    around = _around(args.region)
    if args.second_region == args.region or not around or _around(args.second_region) != around:
        rule = f"a dual-region bucket needs two regions of one continent, and the first is {args.region}"
        fix = "Name another region of the same continent: in America, Europe or Asia"
        found.append(Problem(f"{name}.second_region", args.second_region, rule, fix))
    return found


def _check_disks(name: str, args: GcpModelDiskArgs) -> list[Problem]:
    return [
        Problem(f"{name}.{field}", str(value), f"Hyperdisk ML has {low} to {high}", "Stay within")
        for field, value, (low, high) in (
            ("size_gib", args.size_gib, HYPERDISK_ML_GIB),
            ("throughput_mib_per_s", args.throughput_mib_per_s, HYPERDISK_ML_MIB_PER_S),
        )
        if not low <= value <= high
    ] + (
        []
        if args.replicas >= 1
        else [Problem(f"{name}.replicas", str(args.replicas), "no replica would load the model", "Use 1 or more")]
    )


def _check_lustre(name: str, args: GcpLustreArgs) -> list[Problem]:
    found: list[Problem] = []
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", args.file_system):
        rule, fix = "Lustre names a file system in 8 letters and digits", "Write it as models"
        found.append(Problem(f"{name}.file_system", args.file_system, rule, fix))
    throughput, capacity = args.throughput_mb_per_s_per_tib, args.capacity_gib
    tier = LUSTRE_TIERS.get(throughput)
    if tier is None:
        path = f"{name}.throughput_mb_per_s_per_tib"
        offered = ", ".join(map(str, sorted(LUSTRE_TIERS)))
        found.append(Problem(path, str(throughput), f"Managed Lustre has {offered}", "Use one of them"))
    elif capacity < 1 or capacity % tier.step_gib or capacity > tier.largest_gib:
        next_size = min(max(1, -(-capacity // tier.step_gib)) * tier.step_gib, tier.largest_gib)
        rule = f"at {throughput} MB/s for each TiB sizes are multiples of {tier.step_gib} up to {tier.largest_gib}"
        found.append(Problem(f"{name}.capacity_gib", str(capacity), rule, f"Use {next_size}"))
    return found


def _check_filestore(name: str, args: GcpFilestoreArgs) -> list[Problem]:
    sizes = [
        size for band in FILESTORE_RANGES for size in range(band.smallest_gib, band.largest_gib + 1, band.step_gib)
    ]
    if args.capacity_gib in sizes:
        return []
    shown = ", ".join(
        f"{band.smallest_gib} to {band.largest_gib} in steps of {band.step_gib}" for band in FILESTORE_RANGES
    )
    next_size = next((size for size in sizes if size >= args.capacity_gib), sizes[-1])
    rule = f"Filestore has {shown}"
    return [Problem(f"{name}.capacity_gib", str(args.capacity_gib), rule, f"Use {next_size}")]
