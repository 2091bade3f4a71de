"""Global DNS of an environment: the service of its cloud, over its regions in any cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from novacron_infra.config import CloudEnvironment, Platform, Traffic
from novacron_infra.dns.args import (
    AddressKind,
    CloudDns,
    DnsService,
    EndpointRegion,
    GlobalEndpointArgs,
    Probe,
    Route53,
    TrafficManager,
)
from novacron_infra.dns.endpoint import GlobalEndpoint
from novacron_infra.dns.existing_zone import check_zone
from novacron_infra.dns.rules import check_endpoint_args
from novacron_infra.tags import Tags

READY = Probe(path="/ready")
"""The coordinators' own word that they can serve, over HTTPS at port 443."""
_ADDRESS_KINDS = {
    Platform.AWS: AddressKind.HOSTNAME,
    Platform.GCP: AddressKind.IPV4,
    Platform.AZURE: AddressKind.IPV4,
}
"""Return how the load balancer of a region is addressed."""


def check_endpoint(config: CloudEnvironment) -> None:
    """Find what the DNS service cannot do, and a recovery that takes too long, before the first resource is made.

    Raises:
        ConfigurationError: with all of it.
    """
    traffic = config.traffic
    if traffic is not None:
        unknown = {region.name: pulumi.Output.from_input("") for region in config.regions}
        check_endpoint_args(_args(config, traffic, unknown, None, resource_group="unknown"))


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredEndpoint:
    """The global endpoint of an environment."""

    endpoint: GlobalEndpoint
    provider: pulumi.ProviderResource
    """Provider of the cloud that answers DNS."""
    resource_group: pulumi.Input[str]
    """Resource group of the names on Azure, otherwise empty."""


def declare_dns_provider(config: CloudEnvironment, tags: Tags) -> pulumi.ProviderResource | None:
    """Declare the provider of the cloud that answers DNS, and look up a zone that exists. None without `traffic`.

    The provider is not one of a region: none of them has to be alive for a change of the names.

    Raises:
        ConfigurationError: if the zone is not there, is private, or does not hold the domain.
    """
    if config.traffic is None:
        return None
    provider = _declare_provider(config, f"{tags.environment}-dns")
    check_zone(config, provider)
    return provider


def declare_endpoint(
    config: CloudEnvironment,
    addresses: Mapping[str, pulumi.Input[str]],
    tags: Tags,
    provider: pulumi.ProviderResource | None,
) -> DeclaredEndpoint | None:
    """One name over the regions whose load balancers have `addresses`, by region; None without `traffic`.

    Args:
        config: the environment.
        addresses: names or addresses of the load balancers, by region.
        tags: tags of the environment.
        provider: the one of `declare_dns_provider`.

    Raises:
        ConfigurationError: as `check_endpoint`.
    """
    traffic = config.traffic
    if traffic is None or provider is None:
        return None
    resource_group = _find_resource_group(config, traffic, tags, provider)
    endpoint = GlobalEndpoint(
        f"{tags.environment}-api",
        _args(config, traffic, addresses, tags, resource_group),
        pulumi.ResourceOptions(providers=[provider]),
    )
    return DeclaredEndpoint(endpoint=endpoint, provider=provider, resource_group=resource_group)


def _declare_provider(config: CloudEnvironment, name: str) -> pulumi.ProviderResource:
    # Imported here: a program that uses one cloud loads the SDK of that one only.
    if config.platform is Platform.AWS:
        import pulumi_aws

        return pulumi_aws.Provider(name, region="us-east-1")  # where the control plane of Route 53 is
    if config.platform is Platform.GCP:
        import pulumi_gcp

        return pulumi_gcp.Provider(name, project=config.accounts.google_project)
    import pulumi_azure_native

    return pulumi_azure_native.Provider(name, subscription_id=config.accounts.azure_subscription_id)


def _find_resource_group(
    config: CloudEnvironment, traffic: Traffic, tags: Tags, provider: pulumi.ProviderResource
) -> pulumi.Input[str]:
    """Return the resource group of the names on Azure, otherwise an empty text."""
    if config.platform is not Platform.AZURE:
        return ""
    if traffic.existing_zone is not None:
        return traffic.existing_zone
    import pulumi_azure_native

    group = pulumi_azure_native.resources.ResourceGroup(
        f"{tags.environment}-dns",
        location=config.primary_region.name,
        tags=tags.of("dns"),
        # Where a group was created says nothing about its resources, and cannot be changed.
        opts=pulumi.ResourceOptions(provider=provider, protect=config.protected, ignore_changes=["location"]),
    )
    return group.name


def _args(
    config: CloudEnvironment,
    traffic: Traffic,
    addresses: Mapping[str, pulumi.Input[str]],
    tags: Tags | None,
    resource_group: pulumi.Input[str],
) -> GlobalEndpointArgs:
    regions = tuple(
        EndpointRegion(
            region=region,
            platform=region.find_platform(config.platform),
            address=addresses[region.name],
            address_kind=_ADDRESS_KINDS[region.find_platform(config.platform)],
            nearest=region.overrides.nearest if region.overrides else None,
        )
        for region in config.regions
    )
    return GlobalEndpointArgs(
        traffic=traffic,
        regions=regions,
        service=_service(config, traffic, resource_group),
        probe=READY,
        failover=len(regions) > 1,
        tags=tags,
    )


def _service(config: CloudEnvironment, traffic: Traffic, resource_group: pulumi.Input[str]) -> DnsService:
    zone_name = traffic.zone or traffic.domain.partition(".")[2]
    if config.platform is Platform.AWS:
        return Route53(
            zone_name=zone_name,
            zone_id=traffic.existing_zone,
            protect_zone=config.protected,
            dnssec=traffic.dnssec,
            query_logs=traffic.query_logs,
            drain_switch=traffic.drain_switch,
        )
    if config.platform is Platform.GCP:
        return CloudDns(
            zone_name=zone_name,
            managed_zone=traffic.existing_zone,
            protect_zone=config.protected,
            dnssec=traffic.dnssec,
            query_logs=traffic.query_logs,
        )
    return TrafficManager(
        zone_name=zone_name,
        resource_group_name=resource_group,
        # Unique in the world, as the domain is.
        relative_name=traffic.domain.replace(".", "-"),
        create_zone=traffic.existing_zone is None,
        dnssec=traffic.dnssec,
        protect_zone=config.protected,
    )
