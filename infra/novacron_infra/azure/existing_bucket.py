"""A blob container that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from pulumi_azure_native import storage

from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.existing import Lookups, differs
from novacron_infra.stores import ExistingBlobStore


def check_container(lookups: Lookups, store: ExistingBlobStore, region: str) -> None:
    """Look up a container and its storage account, and add a problem for everything that they lack."""
    key, id_, account = "container", store.container_id, store.account
    group = ResourceId.parse(store.account_id).group
    options = f"--resource-group {group} --account-name {account}"
    found = lookups.find(
        key,
        id_,
        "storage account",
        f"az storage account list --resource-group {group} --query [].id",
        lambda: storage.get_storage_account(account_name=account, resource_group_name=group, opts=lookups.opts),
    )
    if found is None:
        return
    rule = f"its account is in {found.location}, and the region is {region}"
    lookups.require(not differs(found.location, region), key, id_, rule, f"Name an account in {region}")
    lookups.find(
        key,
        id_,
        "container",
        f"az storage container-rm list --resource-group {group} --storage-account {account} --query [].name",
        lambda: storage.get_blob_container(
            account_name=account, container_name=store.container, resource_group_name=group, opts=lookups.opts
        ),
    )
    service = storage.get_blob_service_properties(
        account_name=account, blob_services_name="default", resource_group_name=group, opts=lookups.opts
    )
    rule = "its account has no versioning, so an overwritten model is lost"
    fix = f"Run `az storage account blob-service-properties update {options} --enable-versioning true`"
    lookups.require(service.is_versioning_enabled is True, key, id_, rule, fix)
