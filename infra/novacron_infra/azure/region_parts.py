"""Parts of a region that are created, unless they exist: then their ids come from `existing` of the region.

The rest of the region uses either in the same way. `existing` has the lookups of what exists.
"""

from __future__ import annotations

import pulumi

from novacron_infra.azure.iam import Role, grant
from novacron_infra.azure.keys import AzureKeys, AzureKeysArgs, CustomerKey, KeyUse
from novacron_infra.azure.logs import AzureLogs
from novacron_infra.azure.network import AzureNetwork, AzureNetworkArgs, AzureNetworkIds, SubnetUse
from novacron_infra.azure.private_link import ZONES, PrivateService, declare_private_endpoint, declare_private_zones
from novacron_infra.azure.registry import AzureRegistry, AzureRegistryArgs
from novacron_infra.config import ExistingAzure, ExistingAzureNetwork
from novacron_infra.regions import ImageRegistry, RegionSpec
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.stores import ExistingBlobStore, make_store_url

PUBLIC_PORTS = (443,)
"""Ports of the coordinators that nodes open to the internet behind the load balancer."""

_KEPT_DAYS, _GONE_DAYS = 90, 7
"""Days after which a deleted vault can be gone, in a protected environment and in others."""


def find_existing(spec: RegionSpec) -> ExistingAzure:
    """Return what exists of a region on Azure."""
    return spec.existing.azure or ExistingAzure()


def declare_keys(
    name: str,
    spec: RegionSpec,
    resource_group: pulumi.Output[str],
    vault: str,
    logs: AzureLogs,
    opts: pulumi.ResourceOptions,
) -> AzureKeys:
    """Declare the region's vault and its keys. With a key that exists, the vault has the databases' logins only."""
    args = AzureKeysArgs(
        region=spec.region,
        resource_group=resource_group,
        vault=vault,
        workspace_id=logs.workspace_id,
        tags=spec.tags,
        deletion_window_days=_KEPT_DAYS if spec.protect else _GONE_DAYS,
        protect=spec.protect,
        cluster=find_existing(spec).cluster_id is None,
        existing_key_id=find_existing(spec).key_id,
    )
    return AzureKeys(name, args, opts)


def declare_network(
    name: str,
    spec: RegionSpec,
    resource_group: pulumi.Output[str],
    keys: AzureKeys,
    logs: AzureLogs,
    flow_log_account: str,
    opts: pulumi.ResourceOptions,
) -> AzureNetworkIds:
    """Declare the region's network, or in one that exists only endpoints of vaults and missing DNS zones."""
    existing, storage_key = find_existing(spec).network, keys.find_key(KeyUse.STORAGE)
    if existing is not None:
        ids = _connect_network(name, spec, existing, resource_group, storage_key, opts)
    else:
        args = AzureNetworkArgs(
            region=spec.region,
            resource_group=resource_group,
            cidr=spec.network,
            storage_key=storage_key,
            workspace_id=logs.workspace_id,
            workspace_guid=logs.workspace_guid,
            flow_log_account=flow_log_account,
            public_ports=PUBLIC_PORTS,
            tags=spec.tags,
        )
        ids = AzureNetwork(name, args, opts).ids
    if storage_key.existing_id is not None:
        # The vault of the keys has an endpoint already, and this is another one.
        connect_service(f"{name}-logins", PrivateService.VAULT, keys.vault_id, spec, ids, resource_group, opts)
    return ids


def connect_service(
    name: str,
    service: PrivateService,
    resource_id: pulumi.Input[str],
    spec: RegionSpec,
    network: AzureNetworkIds,
    resource_group: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Declare a private endpoint of a service in the region's network. Returns the id of the endpoint."""
    endpoint = declare_private_endpoint(
        name,
        service,
        resource_id,
        network.subnet_ids[SubnetUse.ENDPOINTS],
        network.dns_zone_ids[service],
        resource_group,
        spec.region,
        spec.tags.of("network"),
        opts,
    )
    return endpoint.id


def _connect_network(
    name: str,
    spec: RegionSpec,
    existing: ExistingAzureNetwork,
    resource_group: pulumi.Output[str],
    storage_key: CustomerKey,
    opts: pulumi.ResourceOptions,
) -> AzureNetworkIds:
    tags, zones = spec.tags.of("network"), f"{existing.private_dns_group}/providers/Microsoft.Network/privateDnsZones"
    dns_zone_ids: dict[PrivateService, pulumi.Output[str]]
    if existing.private_dns_group is None:
        declared = declare_private_zones(name, existing.vnet_id, resource_group, tags, opts)
        dns_zone_ids = {service: zone.id for service, zone in declared.items()}
    else:
        dns_zone_ids = {service: pulumi.Output.from_input(f"{zones}/{zone}") for service, zone in ZONES.items()}
    subnets = {SubnetUse.NODES: existing.nodes_subnet, SubnetUse.ENDPOINTS: existing.endpoints_subnet}
    if existing.api_server_subnet is not None:
        subnets[SubnetUse.API_SERVER] = existing.api_server_subnet
    subnet_ids = {use: pulumi.Output.from_input(f"{existing.vnet_id}/subnets/{it}") for use, it in subnets.items()}
    vault = declare_private_endpoint(
        f"{name}-vault",
        PrivateService.VAULT,
        storage_key.vault_id,
        subnet_ids[SubnetUse.ENDPOINTS],
        dns_zone_ids[PrivateService.VAULT],
        resource_group,
        spec.region,
        tags,
        opts,
    )
    if existing.api_server_subnet is not None:
        subnet_ids[SubnetUse.API_SERVER] = resolve_after(subnet_ids[SubnetUse.API_SERVER], vault.id)
    return AzureNetworkIds(subnet_ids=subnet_ids, dns_zone_ids=dns_zone_ids)


def connect_container(
    name: str,
    spec: RegionSpec,
    store: ExistingBlobStore,
    resource_group: pulumi.Output[str],
    network: AzureNetworkIds,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Declare a private endpoint of a storage account that exists, and return the URL of its models."""
    endpoint = declare_private_endpoint(
        f"{name}-models-blob",
        PrivateService.BLOB,
        store.account_id,
        network.subnet_ids[SubnetUse.ENDPOINTS],
        network.dns_zone_ids[PrivateService.BLOB],
        resource_group,
        spec.region,
        spec.tags.of("models"),
        opts,
    )
    address = f"az://{store.container}@{store.account}.blob.core.windows.net"
    return resolve_after(pulumi.Output.from_input(make_store_url(address, spec.models_prefix)), endpoint.id)


def declare_registry(
    name: str,
    spec: RegionSpec,
    resource_group: pulumi.Output[str],
    unique_name: str,
    network: AzureNetworkIds,
    key: CustomerKey,
    pull_principal_id: pulumi.Output[str],
    logs: AzureLogs,
    opts: pulumi.ResourceOptions,
) -> ImageRegistry:
    """Declare the region's registry, or of one that exists only a private endpoint and the nodes' right to pull."""
    existing, subnet_id = find_existing(spec).registry, network.subnet_ids[SubnetUse.ENDPOINTS]
    zone_id = network.dns_zone_ids[PrivateService.REGISTRY]
    if existing is None:
        args = AzureRegistryArgs(
            region=spec.region,
            resource_group=resource_group,
            registry=unique_name,
            key=key,
            endpoint_subnet_id=subnet_id,
            registry_zone_id=zone_id,
            pull_principal_id=pull_principal_id,
            workspace_id=logs.workspace_id,
            tags=spec.tags,
            protect=spec.protect,
        )
        url = AzureRegistry(f"{name}-images", args, opts).server
        return ImageRegistry(url=url, prefix=f"{unique_name}.azurecr.io")
    may_pull: list[pulumi.Output[str]] = []
    # Azure refuses a second assignment of one role, and the owner of both may have attached the registry.
    if find_existing(spec).cluster_id is None:
        may_pull.append(grant(f"{name}-images-pull", existing, Role.ACR_PULL, pull_principal_id, opts).id)
    endpoint = declare_private_endpoint(
        f"{name}-images-endpoint",
        PrivateService.REGISTRY,
        existing,
        subnet_id,
        zone_id,
        resource_group,
        spec.region,
        spec.tags.of("registry"),
        opts,
    )
    prefix = f"{existing.rpartition('/')[2].lower()}.azurecr.io"
    return ImageRegistry(url=resolve_after(pulumi.Output.from_input(prefix), *may_pull, endpoint.id), prefix=prefix)
