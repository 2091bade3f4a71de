"""Where models lie: the blob container, and the file systems that bring them to the GPUs.

Not for copies in other regions, and not for volumes of pods: disks have the cluster's disk encryption set.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage, storagecache

from novacron_infra import stores
from novacron_infra.aliases import with_former_type
from novacron_infra.azure.accounts import declare_storage_account
from novacron_infra.azure.checks import check_account, check_name, check_region, check_tags
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.logs import send_logs
from novacron_infra.azure.private_link import PrivateService, declare_private_endpoint
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.names import AZURE_CONTAINER
from novacron_infra.limits.zones import list_zones
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

LUSTRE_STEP_TIB = {40: 48, 125: 16, 250: 8, 500: 4}
"""Size steps by throughput in MB/s per TiB.

Azure Managed Lustre documentation, "Create a file system", read on 2026-11-25.
"""
FILES_MIN_MIB_PER_S, FILES_MAX_MIB_PER_S = 125, 10_340
FILES_MIN_IOPS, FILES_MAX_IOPS = 3_000, 102_400
FILES_MIN_GIB, FILES_MAX_GIB = 32, 262_144
"""Azure Files on SSD, provisioned v2 (its scale targets, read on 2026-11-25)."""
_SHARE = "models"
_OFFERED_ZONES = ("1", "2", "3")
_REQUEST_LOGS = ("StorageRead", "StorageWrite", "StorageDelete")


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureModelStoreArgs:
    """A container of models."""

    region: str
    resource_group: pulumi.Input[str]
    account: str
    """Name of its storage account, unique in all of Azure: 3 to 24 of a-z and 0-9."""
    key: CustomerKey
    endpoint_subnet_id: pulumi.Input[str]
    blob_zone_id: pulumi.Input[str]
    tags: Tags
    container: str = "models"
    workspace_id: pulumi.Input[str] | None = None
    """Log Analytics workspace that gets a log of each request. None: there is no log."""
    old_versions_days: int = 30
    """How long an overwritten or deleted model can be brought back: 1 to 365."""
    protect: bool = True
    """Whether destroying the stack stops at the models."""


class AzureModelStore(pulumi.ComponentResource):
    """A private, versioned, encrypted container that answers over TLS 1.2 and later, to identities only.

    Raises:
        ArgumentError: a name or figure that Blob Storage does not take.
    """

    account: storage.StorageAccount
    account_id: pulumi.Output[str]
    """Id of the account. Resolves after versioning is on, which replication needs at both ends."""
    container_name: pulumi.Output[str]
    container_id: pulumi.Output[str]
    """Scope of role assignments."""

    def __init__(self, name: str, args: AzureModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_store(name, args),
            ]
        )
        super().__init__("novacron:index:AzureModelStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        tags = args.tags.of("models")
        self.account = declare_storage_account(
            f"{name}-models", args.account, args.resource_group, args.region, args.key, tags, protected
        )
        retention = storage.DeleteRetentionPolicyArgs(enabled=True, days=args.old_versions_days)
        versions = storage.BlobServiceProperties(
            f"{name}-models",
            account_name=self.account.name,
            resource_group_name=args.resource_group,
            blob_services_name="default",
            is_versioning_enabled=True,
            # Replication reads it.
            change_feed=storage.ChangeFeedArgs(enabled=True),
            delete_retention_policy=retention,
            container_delete_retention_policy=retention,
            opts=child,
        )
        if args.workspace_id is not None:
            blobs = pulumi.Output.format("{0}/blobServices/default", self.account.id)
            send_logs(f"{name}-requests", blobs, args.workspace_id, _REQUEST_LOGS, child)
        storage.ManagementPolicy(
            f"{name}-models",
            account_name=self.account.name,
            resource_group_name=args.resource_group,
            management_policy_name="default",
            policy=storage.ManagementPolicySchemaArgs(rules=[_forget_versions(args.old_versions_days)]),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions]),
        )
        container = storage.BlobContainer(
            f"{name}-models",
            account_name=self.account.name,
            container_name=args.container,
            resource_group_name=args.resource_group,
            public_access=storage.PublicAccess.NONE,
            opts=protected,
        )
        declare_private_endpoint(
            f"{name}-blob",
            PrivateService.BLOB,
            self.account.id,
            args.endpoint_subnet_id,
            args.blob_zone_id,
            args.resource_group,
            args.region,
            tags,
            child,
        )
        self.account_id = resolve_after(self.account.id, versions.id)
        self.container_name, self.container_id = container.name, container.id
        self.register_outputs(
            {
                "account_id": self.account_id,
                "container_name": self.container_name,
                "container_id": self.container_id,
            }
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureLustreArgs:
    """A Lustre file system in the zone of the GPUs. Its size and throughput are decided when it is made."""

    region: str
    resource_group: pulumi.Input[str]
    zone: str
    capacity_tib: int
    subnet_id: pulumi.Input[str]
    """One of its own, without nodes."""
    key: CustomerKey
    tags: Tags
    throughput_mb_per_s_per_tib: int = 500
    maintenance_day: storagecache.MaintenanceDayOfWeekType = storagecache.MaintenanceDayOfWeekType.SUNDAY
    maintenance_start: str = "02:00"
    """UTC."""


class AzureLustre(pulumi.ComponentResource):
    """Azure Managed Lustre: models at hundreds of MB/s for each TiB. Empty at first: a job copies the models in.

    Nodes need Ubuntu for its driver.

    Raises:
        ArgumentError: Managed Lustre has no file system of this size and throughput.
    """

    file_system: storagecache.AmlFilesystem
    mgs_address: pulumi.Output[str]
    """Address that clients mount."""

    def __init__(self, name: str, args: AzureLustreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_lustre(name, args),
            ]
        )
        super().__init__(
            "novacron:index:AzureLustre", name, None, with_former_type(opts, "novacron:index:AzureFastFiles")
        )
        self.file_system = storagecache.AmlFilesystem(
            f"{name}-lustre",
            resource_group_name=args.resource_group,
            location=args.region,
            sku=storagecache.SkuNameArgs(name=f"AMLFS-Durable-Premium-{args.throughput_mb_per_s_per_tib}"),
            storage_capacity_ti_b=args.capacity_tib,
            filesystem_subnet=args.subnet_id,
            zones=[args.zone],
            maintenance_window=storagecache.AmlFilesystemMaintenanceWindowArgs(
                day_of_week=args.maintenance_day, time_of_day_utc=args.maintenance_start
            ),
            identity=storagecache.AmlFilesystemIdentityArgs(
                type=storagecache.AmlFilesystemIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.key.identity_id],
            ),
            encryption_settings=storagecache.AmlFilesystemEncryptionSettingsArgs(
                key_encryption_key=storagecache.KeyVaultKeyReferenceArgs(
                    key_url=args.key.versioned_uri,
                    source_vault=storagecache.KeyVaultKeyReferenceSourceVaultArgs(id=args.key.vault_id),
                )
            ),
            tags=args.tags.of("models"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.mgs_address = self.file_system.client_info.mgs_address
        self.register_outputs({"mgs_address": self.mgs_address})


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureFilesArgs:
    """A file share over NFS."""

    region: str
    resource_group: pulumi.Input[str]
    account: str
    """Name of its storage account, unique in all of Azure: 3 to 24 of a-z and 0-9."""
    key: CustomerKey
    endpoint_subnet_id: pulumi.Input[str]
    file_zone_id: pulumi.Input[str]
    tags: Tags
    size_gib: int = 4096
    iops: int = 20_000
    throughput_mib_per_s: int = stores.AZURE_FILES_MIB_PER_S
    weights_gb: float | None = None
    """Weights of one replica, 10^9 bytes, if it loads them from here."""
    load_timeout_s: int = 600
    protect: bool = True


class AzureFiles(pulumi.ComponentResource):
    """Azure Files on SSD with provisioned throughput. Mounts use TLS: the CSI driver's `encryptInTransit`.

    Warns where a model would take longer to load than its loader waits.

    Raises:
        ArgumentError: Azure Files provisions no such share.
    """

    account: storage.StorageAccount
    share_name: pulumi.Output[str]
    export: pulumi.Output[str]
    """Address that clients mount: server:/account/share."""

    def __init__(self, name: str, args: AzureFilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_share(name, args),
            ]
        )
        super().__init__(
            "novacron:index:AzureFiles", name, None, with_former_type(opts, "novacron:index:AzureSharedFiles")
        )
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        tags = args.tags.of("models")
        zones = list_zones(Cloud.AZURE, args.region)
        if warning := describe_slow_load(args.weights_gb, args.throughput_mib_per_s, args.load_timeout_s):
            pulumi.log.warn(f"{name}: {warning}", self)
        self.account = declare_storage_account(
            f"{name}-files",
            args.account,
            args.resource_group,
            args.region,
            args.key,
            tags,
            protected,
            kind=storage.Kind.FILE_STORAGE,
            sku=storage.SkuName.PREMIUM_V2_ZRS if zones else storage.SkuName.PREMIUM_V2_LRS,
        )
        share = storage.FileShare(
            f"{name}-files",
            account_name=self.account.name,
            share_name=_SHARE,
            resource_group_name=args.resource_group,
            enabled_protocols=storage.EnabledProtocols.NFS,
            root_squash=storage.RootSquashType.ROOT_SQUASH,
            share_quota=args.size_gib,
            provisioned_iops=args.iops,
            provisioned_bandwidth_mibps=args.throughput_mib_per_s,
            opts=protected,
        )
        declare_private_endpoint(
            f"{name}-file",
            PrivateService.FILE,
            self.account.id,
            args.endpoint_subnet_id,
            args.file_zone_id,
            args.resource_group,
            args.region,
            tags,
            pulumi.ResourceOptions(parent=self),
        )
        self.share_name = share.name
        self.export = pulumi.Output.format("{0}.file.core.windows.net:/{0}/{1}", self.account.name, self.share_name)
        self.register_outputs({"share_name": self.share_name})


def describe_slow_load(weights_gb: float | None, throughput_mib_per_s: int, timeout_s: int) -> str | None:
    """Return a warning if a replica would not load its weights from Azure Files in time, or None.

    At the share's rate, which all replicas have together: a single client reaches less.
    """
    return stores.describe_slow_load("Azure Files", weights_gb, throughput_mib_per_s, timeout_s, "use Lustre")


def _forget_versions(days: int) -> storage.ManagementPolicyRuleArgs:
    old = storage.DateAfterCreationArgs(days_after_creation_greater_than=days)
    return storage.ManagementPolicyRuleArgs(
        name="old-versions",
        enabled=True,
        type=storage.RuleType.LIFECYCLE,
        definition=storage.ManagementPolicyDefinitionArgs(
            filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"]),
            actions=storage.ManagementPolicyActionArgs(version=storage.ManagementPolicyVersionArgs(delete=old)),
        ),
    )


def _check_store(name: str, args: AzureModelStoreArgs) -> list[Problem]:
    found = check_account(f"{name}.account", args.account)
    found += AZURE_CONTAINER.check(f"{name}.container", args.container)
    return found + _check_bounds(name, {"old_versions_days": (args.old_versions_days, 1, 365)}, "Blob Storage keeps")


def _check_lustre(name: str, args: AzureLustreArgs) -> list[Problem]:
    throughput, capacity = args.throughput_mb_per_s_per_tib, args.capacity_tib
    found: list[Problem] = []
    if args.zone not in _OFFERED_ZONES:
        found.append(Problem(f"{name}.zone", args.zone, "zones are 1, 2 and 3", "Name the zone of the GPUs"))
    step = LUSTRE_STEP_TIB.get(throughput)
    if step is None:
        path, offered = f"{name}.throughput_mb_per_s_per_tib", ", ".join(map(str, LUSTRE_STEP_TIB))
        found.append(Problem(path, str(throughput), f"Managed Lustre has {offered}", "Use one of them"))
    elif capacity <= 0 or capacity % step:
        rule = f"sizes come in steps of {step} TiB at {throughput} MB/s for each TiB"
        next_size = max(1, -(-capacity // step)) * step
        found.append(Problem(f"{name}.capacity_tib", str(capacity), rule, f"Use {next_size}"))
    return found


def _check_share(name: str, args: AzureFilesArgs) -> list[Problem]:
    figures = {
        "size_gib": (args.size_gib, FILES_MIN_GIB, FILES_MAX_GIB),
        "iops": (args.iops, FILES_MIN_IOPS, FILES_MAX_IOPS),
        "throughput_mib_per_s": (args.throughput_mib_per_s, FILES_MIN_MIB_PER_S, FILES_MAX_MIB_PER_S),
    }
    return check_account(f"{name}.account", args.account) + _check_bounds(name, figures, "Azure Files provisions")


def _check_bounds(name: str, figures: dict[str, tuple[int, int, int]], what: str) -> list[Problem]:
    return [
        Problem(f"{name}.{field}", str(value), f"{what} {low} to {high}", "Stay within")
        for field, (value, low, high) in figures.items()
        if not low <= value <= high
    ]
