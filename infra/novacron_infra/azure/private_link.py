"""Private endpoints: an address inside the network for a service of Azure, and the name that leads to it."""

from __future__ import annotations

from enum import Enum

import pulumi
from pulumi_azure_native import network


class PrivateService(str, Enum):
    """Services that are reached from inside only, by what private link calls their part."""

    VAULT = "vault"
    BLOB = "blob"
    FILE = "file"
    POSTGRES = "postgresqlServer"
    REDIS = "redisEnterprise"
    REGISTRY = "registry"


ZONES = {
    PrivateService.VAULT: "privatelink.vaultcore.azure.net",
    PrivateService.BLOB: "privatelink.blob.core.windows.net",
    PrivateService.FILE: "privatelink.file.core.windows.net",
    PrivateService.POSTGRES: "privatelink.postgres.database.azure.com",
    PrivateService.REDIS: "privatelink.redis.azure.net",
    PrivateService.REGISTRY: "privatelink.azurecr.io",
}
"""Azure's public cloud (Private Link documentation, "Private endpoint DNS integration", read on 2026-11-25)."""


def declare_private_endpoint(
    name: str,
    service: PrivateService,
    service_id: pulumi.Input[str],
    subnet_id: pulumi.Input[str],
    zone_id: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    region: str,
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> network.PrivateDnsZoneGroup:
    """An endpoint; with what is returned its name resolves in every network that the zone is linked to."""
    endpoint = network.PrivateEndpoint(
        name,
        resource_group_name=resource_group,
        location=region,
        subnet=network.SubnetArgs(id=subnet_id),
        private_link_service_connections=[
            network.PrivateLinkServiceConnectionArgs(
                name=service.value, private_link_service_id=service_id, group_ids=[service.value]
            )
        ],
        tags=tags,
        opts=opts,
    )
    return network.PrivateDnsZoneGroup(
        name,
        private_endpoint_name=endpoint.name,
        resource_group_name=resource_group,
        private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name=service.value, private_dns_zone_id=zone_id)],
        opts=opts,
    )
