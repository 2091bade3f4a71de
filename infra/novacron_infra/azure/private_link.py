"""Private endpoints: an address inside the network for a service of Azure, and the name that leads to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import network, privatedns

from novacron_infra.resource_outputs import resolve_after


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


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedZone:
    """A private DNS zone that is linked to a network."""

    zone: privatedns.PrivateZone
    id: pulumi.Output[str]
    """Resolves when names of the zone resolve in the network."""


def declare_private_zones(
    name: str,
    network_id: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> dict[PrivateService, LinkedZone]:
    """Declare the private DNS zone of every service, each linked to the network."""
    zones: dict[PrivateService, LinkedZone] = {}
    for service, zone_name in ZONES.items():
        zone = privatedns.PrivateZone(
            f"{name}-{service.value}",
            private_zone_name=zone_name,
            resource_group_name=resource_group,
            location="global",
            tags=tags,
            opts=opts,
        )
        link = privatedns.VirtualNetworkLink(
            f"{name}-{service.value}",
            private_zone_name=zone.name,
            resource_group_name=resource_group,
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=network_id),
            tags=tags,
            opts=opts,
        )
        zones[service] = LinkedZone(zone=zone, id=resolve_after(zone.id, link.id))
    return zones


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
