"""Customer keys of one region: for the cluster's secrets, and for disks and what is stored.

The vault is private. Azure Resource Manager makes the keys, so nothing that runs this program has to reach the vault;
storage and disks reach it as trusted services, the cluster over its private endpoint (`network`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization, compute, keyvault

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, declare_identity, grant
from novacron_infra.azure.logs import send_logs
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

FASTEST_ROTATION_DAYS, SLOWEST_ROTATION_DAYS = 7, 730
"""Seven days: Key Vault documentation, "Configure key auto-rotation". Two years is a bound of this program."""
_KEY_BITS = 2048
"""Key type and size that all services accept which encrypt with these keys."""
_VAULT = re.compile(r"(?=.{3,24}$)[a-zA-Z](-?[a-zA-Z0-9])+")


class KeyUse(str, Enum):
    """The data that a key encrypts."""

    CLUSTER = "cluster"
    STORAGE = "storage"


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerKey:
    """A key, as the services that use it name it."""

    vault_id: pulumi.Input[str]
    vault_uri: pulumi.Input[str]
    name: pulumi.Input[str]
    uri: pulumi.Input[str]
    """Without a version: who takes it follows each new one."""
    versioned_uri: pulumi.Input[str]
    """The newest version when the stack was last refreshed."""
    identity_id: pulumi.Input[str]
    """The identity that may encrypt storage with it; there only when it may."""
    identity_client_id: pulumi.Input[str]
    existing_id: str | None = None
    """Resource id of a key that exists. None: the key and its vault belong to the stack."""

    @property
    def scope(self) -> pulumi.Input[str]:
        """The resource on which roles for the key are granted: of a vault that exists, the key only."""
        return self.existing_id or self.vault_id


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureKeysArgs:
    """Keys of a region."""

    region: str
    resource_group: pulumi.Input[str]
    vault: str
    """Its name, unique in all of Azure: 3 to 24 letters, digits and single -."""
    workspace_id: pulumi.Input[str]
    tags: Tags
    rotation_days: int = 30
    """7 to 730."""
    deletion_window_days: int = 90
    """How long a deleted key can be brought back, and cannot be purged: 7 to 90. Fixed once the vault exists."""
    protect: bool = True
    """Whether destroying the stack stops at the keys: without them everything encrypted is lost."""
    cluster: bool = True
    """Whether to create the key of a cluster's secrets."""
    existing_key_id: str | None = None
    """Resource id of a key that takes the place of all keys. The vault is created all the same, for logins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureKeysResources:
    """Resources of `AzureKeys`."""

    vault: keyvault.Vault
    """The vault of the keys that are created, and of the databases' logins."""
    keys: dict[KeyUse, keyvault.Key]
    """Empty with a key that exists."""
    disk_encryption_set: compute.DiskEncryptionSet


class AzureKeys(pulumi.ComponentResource):
    """Customer keys with rotation, one for each use, and the disk encryption set of nodes and volumes.

    Disks and storage take a new version by themselves. The cluster's secrets take it with the next update after a
    refresh, and are encrypted with it when they are next written.

    Raises:
        ArgumentError: the name or a figure is outside what Key Vault accepts.
    """

    resources: AzureKeysResources
    vault_id: pulumi.Output[str]
    disk_encryption_set_id: pulumi.Output[str]

    def __init__(self, name: str, args: AzureKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AzureKeys", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        tags = args.tags.of("keys")
        config = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(parent=self))
        vault = keyvault.Vault(
            f"{name}-vault",
            vault_name=args.vault,
            resource_group_name=args.resource_group,
            location=args.region,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=config.tenant_id,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                enable_purge_protection=True,
                soft_delete_retention_in_days=args.deletion_window_days,
                public_network_access="Disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=keyvault.NetworkRuleAction.DENY,
                ),
            ),
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                # Azure refuses to change it.
                ignore_changes=["properties.softDeleteRetentionInDays"],
            ),
        )
        send_logs(f"{name}-vault", vault.id, args.workspace_id, ["AuditEvent"], child)
        existing_id = args.existing_key_id
        uses = tuple(KeyUse) if args.cluster else (KeyUse.STORAGE,)
        keys = {} if existing_id else {use: _declare_key(name, use, vault, args, protected) for use in uses}
        encrypts = declare_identity(f"{name}-storage", args.resource_group, args.region, tags, child)
        may_encrypt = grant(
            f"{name}-storage",
            existing_id or vault.id,
            Role.KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER,
            encrypts.principal_id,
            child,
        )
        # Resolves after the identity may use the key, as the URI of the vault does.
        identity_id = resolve_after(encrypts.id, may_encrypt.id)
        if existing_id is None:
            self._keys = {
                use: CustomerKey(
                    vault_id=vault.id,
                    vault_uri=resolve_after(vault.properties.vault_uri, may_encrypt.id),
                    name=key.name,
                    uri=key.key_uri,
                    versioned_uri=key.key_uri_with_version,
                    identity_id=identity_id,
                    identity_client_id=encrypts.client_id,
                )
                for use, key in keys.items()
            }
        else:
            self._keys = dict.fromkeys(KeyUse, _describe_key(existing_id, identity_id, encrypts.client_id, self))
        storage_key = self._keys[KeyUse.STORAGE]
        disks = compute.DiskEncryptionSet(
            f"{name}-disks",
            resource_group_name=args.resource_group,
            location=args.region,
            identity=compute.EncryptionSetIdentityArgs(
                type=compute.DiskEncryptionSetIdentityType.USER_ASSIGNED, user_assigned_identities=[encrypts.id]
            ),
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
            active_key=compute.KeyForDiskEncryptionSetArgs(
                key_url=storage_key.versioned_uri,
                source_vault=compute.SourceVaultArgs(id=storage_key.vault_id),
            ),
            rotation_to_latest_key_version_enabled=True,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_encrypt]),
        )
        self.resources = AzureKeysResources(vault=vault, keys=keys, disk_encryption_set=disks)
        self.vault_id = vault.id
        self.disk_encryption_set_id = disks.id
        self.register_outputs({"vault_id": self.vault_id, "disk_encryption_set_id": self.disk_encryption_set_id})

    def find_key(self, use: KeyUse) -> CustomerKey:
        """The key for `use`."""
        return self._keys[use]


def _declare_key(
    name: str, use: KeyUse, vault: keyvault.Vault, args: AzureKeysArgs, opts: pulumi.ResourceOptions
) -> keyvault.Key:
    return keyvault.Key(
        f"{name}-{use.value}",
        key_name=f"{name}-{use.value}",
        vault_name=vault.name,
        resource_group_name=args.resource_group,
        properties=keyvault.KeyPropertiesArgs(
            kty=keyvault.JsonWebKeyType.RSA,
            key_size=_KEY_BITS,
            # No expiry: an expired version makes everything encrypted with it unreadable.
            rotation_policy=keyvault.RotationPolicyArgs(
                lifetime_actions=[
                    keyvault.LifetimeActionArgs(
                        action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                        trigger=keyvault.TriggerArgs(time_after_create=f"P{args.rotation_days}D"),
                    )
                ]
            ),
        ),
        tags=args.tags.of("keys"),
        opts=opts,
    )


def _describe_key(
    key_id: str, identity_id: pulumi.Output[str], client_id: pulumi.Output[str], parent: pulumi.Resource
) -> CustomerKey:
    """Return a key that exists, with the identity that may encrypt with it."""
    id_ = ResourceId.parse(key_id)
    key = keyvault.get_key_output(
        key_name=id_.name,
        vault_name=id_.parent,
        resource_group_name=id_.group,
        opts=pulumi.InvokeOutputOptions(parent=parent),
    )
    return CustomerKey(
        vault_id=key_id.partition("/keys/")[0],
        vault_uri=key.key_uri.apply(_find_vault_uri),
        name=id_.name,
        uri=key.key_uri,
        versioned_uri=key.key_uri_with_version,
        identity_id=identity_id,
        identity_client_id=client_id,
        existing_id=key_id,
    )


def _find_vault_uri(key_uri: str) -> str:
    """Return `https://vault.vault.azure.net/` of a key there."""
    return f"{key_uri.partition('/keys/')[0]}/"


def _check_args(name: str, args: AzureKeysArgs) -> list[Problem]:
    found = [
        Problem(
            f"{name}.{field}", str(value), f"Key Vault takes {low} to {high} days", f"Use {min(max(value, low), high)}"
        )
        for field, value, low, high in (
            ("rotation_days", args.rotation_days, FASTEST_ROTATION_DAYS, SLOWEST_ROTATION_DAYS),
            ("deletion_window_days", args.deletion_window_days, 7, 90),
        )
        if not low <= value <= high
    ]
    if not _VAULT.fullmatch(args.vault):
        rule, fix = "no vault has such a name", "Use 3 to 24 letters, digits and single -, with a letter first"
        found.append(Problem(f"{name}.vault", args.vault, rule, fix))
    return found
