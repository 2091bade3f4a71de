"""A public DNS zone that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from novacron_infra.config import CloudEnvironment, Platform, Traffic
from novacron_infra.errors import ConfigurationError
from novacron_infra.existing import Lookups, is_reported

_KEY = "existing_zone"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Zone:
    name: str | None
    """Without the dot at the end. None: a simulated cloud does not tell."""
    private: bool
    name_servers: Sequence[str]


def check_zone(config: CloudEnvironment, provider: pulumi.ProviderResource) -> None:
    """Look up the zone that `traffic.existing_zone` names. Without one, do nothing.

    Raises:
        ConfigurationError: if it is not there, is private, or does not hold the domain.
    """
    traffic = config.traffic
    if traffic is None or traffic.existing_zone is None:
        return
    lookups = Lookups("traffic", pulumi.InvokeOptions(provider=provider))
    zone = _LOOK_UP[config.platform](traffic, traffic.existing_zone, lookups)
    if zone is not None:
        _check(traffic, traffic.existing_zone, zone, lookups)
    if lookups.problems:
        raise ConfigurationError(lookups.problems)


def _check(traffic: Traffic, value: str, zone: _Zone, lookups: Lookups) -> None:
    rule = "it is private, and clients resolve the domain over the internet"
    lookups.require(not zone.private, _KEY, value, rule, "Name a public zone")
    if zone.name is None:
        return
    holds = traffic.domain == zone.name or traffic.domain.endswith(f".{zone.name}")
    rule = f"it is {zone.name}, which does not hold traffic.domain {traffic.domain}"
    lookups.require(holds, _KEY, value, rule, f"Name the zone of the domain, or use a domain such as api.{zone.name}")
    if zone.name_servers:
        servers = ", ".join(server.rstrip(".") for server in zone.name_servers)
        pulumi.log.info(f"the parent zone has to delegate {zone.name} to {servers}: compare `dig NS {zone.name}`")


def _look_up_route53(traffic: Traffic, value: str, lookups: Lookups) -> _Zone | None:
    del traffic
    # Imported here, as in the other functions: a stack loads the SDK of its cloud only.
    import pulumi_aws as aws

    found = lookups.find(
        _KEY,
        value,
        "hosted zone",
        "aws route53 list-hosted-zones",
        lambda: aws.route53.get_zone(zone_id=value, opts=lookups.opts),
    )
    if found is None:
        return None
    name = found.name.rstrip(".") if is_reported(found.name) else None
    return _Zone(name=name, private=found.private_zone is True, name_servers=found.name_servers or ())


def _look_up_cloud_dns(traffic: Traffic, value: str, lookups: Lookups) -> _Zone | None:
    del traffic
    import pulumi_gcp as gcp

    found = lookups.find(
        _KEY,
        value,
        "managed zone",
        "gcloud dns managed-zones list",
        lambda: gcp.dns.get_managed_zone(name=value, opts=lookups.opts),
    )
    if found is None:
        return None
    name = found.dns_name.rstrip(".") if is_reported(found.dns_name) else None
    return _Zone(name=name, private=found.visibility == "private", name_servers=found.name_servers or ())


def _look_up_azure(traffic: Traffic, value: str, lookups: Lookups) -> _Zone | None:
    from pulumi_azure_native import dns

    zone = traffic.zone or traffic.domain.partition(".")[2]
    found = lookups.find(
        _KEY,
        value,
        f"zone {zone} in this resource group",
        f"az network dns zone list --resource-group {value} --query [].name",
        lambda: dns.get_zone(resource_group_name=value, zone_name=zone, opts=lookups.opts),
    )
    if found is None:
        return None
    return _Zone(name=zone, private=found.zone_type == "Private", name_servers=found.name_servers or ())


_LOOK_UP = {Platform.AWS: _look_up_route53, Platform.GCP: _look_up_cloud_dns, Platform.AZURE: _look_up_azure}
