"""Where models lie: the bucket, and the file systems that bring them to the GPUs.

Not for the copies in other regions (`replication`) and not for volumes of pods (`volumes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra import stores
from novacron_infra.aliases import with_former_type
from novacron_infra.aws.access_logs import declare_access_logs
from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import render_policy
from novacron_infra.aws.private_buckets import make_private, refuse_old_tls
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.names import S3_BUCKET
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

_ABORT_UPLOADS_AFTER_DAYS = 7
ACCESS_LOG_DAYS = 365
LUSTRE_THROUGHPUTS_MB_PER_S_PER_TIB = (125, 250, 500, 1000)
_LUSTRE_STEP_GIB = 2400
_LUSTRE_EFA_STEP_GIB = {125: 38400, 250: 19200, 500: 9600, 1000: 4800}
"""FSx for Lustre user guide, "Increasing storage capacity", read on 2026-11-25."""
EFS_MAX_MIB_PER_S = 3414
"""The highest of all regions (EFS API reference, CreateFileSystem)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsModelStoreArgs:
    """A bucket of models."""

    bucket: str
    """Name of the bucket, unique in AWS; without dots, because transfer acceleration does not allow them."""
    key_arn: pulumi.Input[str]
    tags: Tags
    acceleration: bool = True
    """Whether to turn on transfer acceleration (uploads through edge locations)."""
    old_versions_days: int = 30
    """How long an overwritten or deleted model can be brought back."""
    protect: bool = True
    """Whether destroying the stack stops at the models."""
    access_log_days: int = ACCESS_LOG_DAYS
    """Days that the log of each request is kept, in a bucket of its own. 0: there is no log."""
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsBucket:
    """A bucket of models, one that is created or one that exists."""

    name: str
    arn: pulumi.Output[str]
    key_arn: pulumi.Input[str] | None
    """Key of its objects. None: S3 encrypts them with keys of its own."""


class AwsModelStore(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket that answers over TLS only.

    Raises:
        ArgumentError: the name is none that acceleration takes.
    """

    bucket: aws.s3.Bucket
    bucket_arn: pulumi.Output[str]
    """Resolves after versioning is on, which replication needs at both ends."""

    def __init__(self, name: str, args: AwsModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_bucket(name, args)])
        super().__init__("novacron:index:AwsModelStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.bucket = aws.s3.Bucket(
            f"{name}-models",
            bucket=args.bucket,
            tags=args.tags.of("models"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        private = make_private(f"{name}-models", self.bucket, child)
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-models",
            bucket=self.bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=(
                        aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                            sse_algorithm="aws:kms", kms_master_key_id=args.key_arn
                        )
                    ),
                    # One request to KMS for many objects, instead of one for each part of each shard.
                    bucket_key_enabled=True,
                )
            ],
            opts=child,
        )
        aws.s3.BucketPolicy(
            f"{name}-models",
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(render_tls_policy),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private.closed]),
        )
        if args.access_log_days:
            declare_access_logs(name, self.bucket, args.tags, args.access_log_days, args.account_id, self)
        if args.acceleration:
            aws.s3.BucketAccelerateConfiguration(f"{name}-models", bucket=self.bucket.id, status="Enabled", opts=child)
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-models",
            bucket=self.bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="old-versions",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=(
                        aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                            noncurrent_days=args.old_versions_days
                        )
                    ),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=_ABORT_UPLOADS_AFTER_DAYS
                        )
                    ),
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private.versioning]),
        )
        self.bucket_arn = resolve_after(self.bucket.arn, private.versioning.bucket)
        self.register_outputs({"bucket_arn": self.bucket_arn})


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsLustreArgs:
    """A Lustre file system in front of the bucket, in the zone of the GPUs."""

    capacity_gib: int
    subnet_id: pulumi.Input[str]
    security_group_ids: tuple[pulumi.Input[str], ...]
    """The cluster's group, whose members reach each other; with `efa` also the fabric's."""
    key_arn: pulumi.Input[str]
    tags: Tags
    throughput_mb_per_s_per_tib: int = 1000
    efa: bool = False
    """GPUDirect Storage over EFA. Decided when the file system is made; changing it makes a new one."""
    bucket: pulumi.Input[str] | None = None
    """Bucket whose models appear under `prefix`; Lustre loads them on first read."""
    prefix: str = "models"


class AwsLustre(pulumi.ComponentResource):
    """FSx for Lustre: models at hundreds of MB/s for each TiB.

    Raises:
        ArgumentError: FSx has no file system of this size and throughput.
    """

    file_system: aws.fsx.LustreFileSystem
    dns_name: pulumi.Output[str]
    mount_name: pulumi.Output[str]

    def __init__(self, name: str, args: AwsLustreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_lustre(name, args)])
        super().__init__("novacron:index:AwsLustre", name, None, with_former_type(opts, "novacron:index:AwsFastFiles"))
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("models", Name=name)
        self.file_system = aws.fsx.LustreFileSystem(
            f"{name}-lustre",
            deployment_type="PERSISTENT_2",
            storage_type="SSD",
            storage_capacity=args.capacity_gib,
            per_unit_storage_throughput=args.throughput_mb_per_s_per_tib,
            efa_enabled=args.efa,
            metadata_configuration=aws.fsx.LustreFileSystemMetadataConfigurationArgs(mode="AUTOMATIC"),
            subnet_ids=args.subnet_id,
            security_group_ids=list(args.security_group_ids),
            kms_key_id=args.key_arn,
            tags=tags,
            opts=child,
        )
        if args.bucket is not None:
            aws.fsx.DataRepositoryAssociation(
                f"{name}-models",
                file_system_id=self.file_system.id,
                data_repository_path=pulumi.Output.format("s3://{0}/{1}", args.bucket, args.prefix),
                file_system_path=f"/{args.prefix}",
                batch_import_meta_data_on_create=True,
                s3=aws.fsx.DataRepositoryAssociationS3Args(
                    auto_import_policy=aws.fsx.DataRepositoryAssociationS3AutoImportPolicyArgs(
                        events=["NEW", "CHANGED", "DELETED"]
                    )
                ),
                tags=tags,
                opts=child,
            )
        self.dns_name = self.file_system.dns_name
        self.mount_name = self.file_system.mount_name
        self.register_outputs({"dns_name": self.dns_name, "mount_name": self.mount_name})


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsEfsArgs:
    """An EFS file system, new or not."""

    subnet_ids: Mapping[str, pulumi.Input[str]]
    """By zone."""
    security_group_id: pulumi.Input[str]
    """The cluster's group, whose members reach each other."""
    key_arn: pulumi.Input[str]
    tags: Tags
    existing_id: str | None = None
    """Id of an existing file system, which gets mount targets only. It must have none in another network."""
    replica: bool = False
    """Whether replication from another region may overwrite it.

    This is set at creation. An existing file system needs
    `aws efs update-file-system-protection --replication-overwrite-protection DISABLED`.
    """
    throughput_mib_per_s: int = stores.EFS_MIB_PER_S
    weights_gb: float | None = None
    """Weights of one replica, 10^9 bytes, if it loads them from here."""
    load_timeout_s: int = 600
    protect: bool = True


class AwsEfs(pulumi.ComponentResource):
    """EFS with provisioned throughput. Warns where a model would take longer to load than its loader waits.

    Raises:
        ArgumentError: no region provisions this throughput.
    """

    file_system: aws.efs.FileSystem | None
    """None: it exists."""
    file_system_id: pulumi.Output[str]

    def __init__(self, name: str, args: AwsEfsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_efs(name, args)])
        super().__init__("novacron:index:AwsEfs", name, None, with_former_type(opts, "novacron:index:AwsSharedFiles"))
        child = pulumi.ResourceOptions(parent=self)
        if warning := describe_slow_load(args.weights_gb, args.throughput_mib_per_s, args.load_timeout_s):
            pulumi.log.warn(f"{name}: {warning}", self)
        if args.existing_id:
            self.file_system, self.file_system_id = None, pulumi.Output.from_input(args.existing_id)
        else:
            self.file_system = self._file_system(name, args)
            self.file_system_id = self.file_system.id
        for zone, subnet in args.subnet_ids.items():
            aws.efs.MountTarget(
                f"{name}-{zone}",
                file_system_id=self.file_system_id,
                subnet_id=subnet,
                security_groups=[args.security_group_id],
                opts=child,
            )
        self.register_outputs({"file_system_id": self.file_system_id})

    def _file_system(self, name: str, args: AwsEfsArgs) -> aws.efs.FileSystem:
        overwritten = aws.efs.FileSystemProtectionArgs(replication_overwrite="DISABLED")
        return aws.efs.FileSystem(
            f"{name}-efs",
            encrypted=True,
            kms_key_id=args.key_arn,
            performance_mode="generalPurpose",
            throughput_mode="provisioned",
            provisioned_throughput_in_mibps=args.throughput_mib_per_s,
            protection=overwritten if args.replica else None,
            tags=args.tags.of("models", Name=name),
            # While it is a replica EFS says REPLICATING, which is nothing to set.
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, ignore_changes=["protection"] if args.replica else None
            ),
        )


def describe_slow_load(weights_gb: float | None, throughput_mib_per_s: int, timeout_s: int) -> str | None:
    """Return a warning if a replica would not load its weights from EFS in time, or None."""
    rate = min(throughput_mib_per_s, stores.EFS_MEASURED_MIB_PER_S)
    return stores.describe_slow_load("EFS", weights_gb, rate, timeout_s, "use the bucket or Lustre")


def render_tls_policy(bucket_arn: str) -> str:
    """A bucket policy that refuses plain HTTP and TLS before 1.2."""
    return render_policy(*refuse_old_tls(bucket_arn))


def _check_bucket(name: str, args: AwsModelStoreArgs) -> list[Problem]:
    found = list(S3_BUCKET.check(f"{name}.bucket", args.bucket))
    if args.old_versions_days < 1:
        path, value = f"{name}.old_versions_days", str(args.old_versions_days)
        found.append(Problem(path, value, "S3 keeps old versions for a day at least", "Use 1 or more"))
    if args.access_log_days < 0:
        path, value = f"{name}.access_log_days", str(args.access_log_days)
        found.append(Problem(path, value, "it is a number of days", "Use 1 or more, or 0 for no log"))
    return found


def _check_lustre(name: str, args: AwsLustreArgs) -> list[Problem]:
    throughput, capacity = args.throughput_mb_per_s_per_tib, args.capacity_gib
    if throughput not in LUSTRE_THROUGHPUTS_MB_PER_S_PER_TIB:
        path = f"{name}.throughput_mb_per_s_per_tib"
        offered = ", ".join(map(str, LUSTRE_THROUGHPUTS_MB_PER_S_PER_TIB))
        return [Problem(path, str(throughput), f"PERSISTENT_2 has {offered}", "Use one of them")]
    step = _LUSTRE_EFA_STEP_GIB[throughput] if args.efa else _LUSTRE_STEP_GIB
    smallest = not args.efa and capacity == _LUSTRE_STEP_GIB // 2
    if capacity > 0 and (capacity % step == 0 or smallest):
        return []
    why = f" with EFA at {throughput} MB/s for each TiB" if args.efa else ""
    next_size = max(1, -(-capacity // step)) * step
    rule = f"sizes come in steps of {step} GiB{why}"
    return [Problem(f"{name}.capacity_gib", str(capacity), rule, f"Use {next_size}")]


def _check_efs(name: str, args: AwsEfsArgs) -> list[Problem]:
    if 1 <= args.throughput_mib_per_s <= EFS_MAX_MIB_PER_S:
        return []
    path, value = f"{name}.throughput_mib_per_s", str(args.throughput_mib_per_s)
    return [Problem(path, value, f"EFS provisions 1 to {EFS_MAX_MIB_PER_S} MiB/s", "Stay within, or use Lustre")]
