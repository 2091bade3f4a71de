"""Storage accounts: private, encrypted with a customer key, and accessed with identities only."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import storage

from novacron_infra.azure.keys import CustomerKey
from novacron_infra.catalog import Cloud
from novacron_infra.limits.zones import list_zones


def declare_storage_account(
    name: str,
    account: str,
    resource_group: pulumi.Input[str],
    region: str,
    key: CustomerKey,
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
    *,
    kind: storage.Kind = storage.Kind.STORAGE_V2,
    sku: storage.SkuName | None = None,
) -> storage.StorageAccount:
    """Declare an account without public network. The key's version is left open, so storage takes each new one.

    Without `sku`, the account is standard storage with copies in three zones, or in one place if the
    region has no zones.
    """
    zones = list_zones(Cloud.AZURE, region)
    sku = sku or (storage.SkuName.STANDARD_ZRS if zones else storage.SkuName.STANDARD_LRS)
    encrypted: dict[str, Any] = {
        service: storage.EncryptionServiceArgs(enabled=True, key_type=storage.KeyType.ACCOUNT)
        for service in ("blob", "file")
    }
    return storage.StorageAccount(
        name,
        account_name=account,
        resource_group_name=resource_group,
        location=region,
        kind=kind,
        sku=storage.SkuArgs(name=sku),
        minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
        enable_https_traffic_only=True,
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        allow_cross_tenant_replication=False,
        public_network_access=storage.PublicNetworkAccess.DISABLED,
        network_rule_set=storage.NetworkRuleSetArgs(
            default_action=storage.DefaultAction.DENY, bypass=storage.Bypass.AZURE_SERVICES
        ),
        identity=storage.IdentityArgs(
            type=storage.IdentityType.USER_ASSIGNED, user_assigned_identities=[key.identity_id]
        ),
        encryption=storage.EncryptionArgs(
            key_source=storage.KeySource.MICROSOFT_KEYVAULT,
            key_vault_properties=storage.KeyVaultPropertiesArgs(key_name=key.name, key_vault_uri=key.vault_uri),
            encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=key.identity_id),
            services=storage.EncryptionServicesArgs(**encrypted),
        ),
        tags=tags,
        opts=opts,
    )
