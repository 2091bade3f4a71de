"""A global endpoint on Traffic Manager, with its names in Azure DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_azure_native import dns, trafficmanager

from novacron_infra.dns.args import GlobalEndpointArgs, TrafficManager
from novacron_infra.dns.records import (
    Profile,
    ProfileEndpoint,
    RecordType,
    build_traffic_manager_profiles,
    choose_regional_type,
)
from novacron_infra.dns.rules import make_profile_name
from novacron_infra.limits.dns import DEFAULT_TIMEOUT_S

_ENDPOINT = "Microsoft.Network/trafficManagerProfiles/{}Endpoints"


class TrafficManagerEndpoint(pulumi.ComponentResource):
    """DNS zone, nested profiles and the names that lead to them.

    Endpoints are written inside their profile: as resources of their own they and the profile would delete each other.
    There is no hold-down, and disabling an endpoint is an update through Azure's control plane: a region leaves by
    failing its own probe, and is back as soon as it passes it.
    """

    zone_name: pulumi.Output[str]
    name_servers: pulumi.Output[Sequence[str]]
    """Name servers that the parent zone has to delegate to; empty for an existing zone."""
    ds_record: pulumi.Output[str]
    """DS record that the parent zone needs for DNSSEC; empty for an existing zone, and without DNSSEC."""

    def __init__(
        self, name: str, args: GlobalEndpointArgs, service: TrafficManager, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("novacron:dns:TrafficManagerEndpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        zone_name: pulumi.Input[str] = service.zone_name
        self.name_servers = pulumi.Output.from_input([])
        self.ds_record = pulumi.Output.from_input("")
        if service.create_zone:
            zone = dns.Zone(
                f"{name}-zone",
                zone_name=service.zone_name,
                resource_group_name=service.resource_group_name,
                location="global",
                tags=args.tagged(),
                opts=pulumi.ResourceOptions(parent=self, protect=service.protect_zone),
            )
            zone_name, self.name_servers = zone.name, zone.name_servers
            if service.dnssec:
                signed = dns.DnssecConfig(
                    f"{name}-dnssec",
                    resource_group_name=service.resource_group_name,
                    zone_name=zone.name,
                    opts=child,
                )
                self.ds_record = signed.signing_keys.apply(_find_ds_record)
        self.zone_name = pulumi.Output.from_input(zone_name)
        profiles: dict[str, trafficmanager.Profile] = {}
        for profile in build_traffic_manager_profiles(args):
            resource = f"{name}-{profile.key or 'nearest'}"
            profiles[profile.key] = _profile(resource, profile, args, service, profiles, child)
        for item in args.regions:
            address = choose_regional_type(item) is RecordType.A
            dns.RecordSet(
                f"{name}-region-{item.region.dns_label}",
                resource_group_name=service.resource_group_name,
                zone_name=zone_name,
                relative_record_set_name=_relative(args.regional_name(item), service),
                record_type=choose_regional_type(item).value,
                ttl=args.traffic.ttl_s,
                a_records=[{"ipv4_address": item.address}] if address else None,
                cname_record=None if address else {"cname": item.address},
                opts=child,
            )
        dns.RecordSet(
            f"{name}-domain",
            resource_group_name=service.resource_group_name,
            zone_name=zone_name,
            relative_record_set_name=_relative(args.traffic.domain, service),
            record_type=RecordType.CNAME.value,
            ttl=args.traffic.ttl_s,
            cname_record={"cname": f"{service.relative_name}.trafficmanager.net"},
            opts=child,
        )
        self.register_outputs({"name_servers": self.name_servers, "ds_record": self.ds_record})


def _relative(name: str, service: TrafficManager) -> str:
    return name.removesuffix(f".{service.zone_name}")


def _profile(
    resource: str,
    profile: Profile,
    args: GlobalEndpointArgs,
    service: TrafficManager,
    nested: Mapping[str, trafficmanager.Profile],
    child: pulumi.ResourceOptions,
) -> trafficmanager.Profile:
    probe, check = args.probe, args.traffic.health_check
    return trafficmanager.Profile(
        resource,
        profile_name=make_profile_name(service, profile),
        resource_group_name=service.resource_group_name,
        location="global",
        traffic_routing_method=profile.method.value,
        dns_config={"relative_name": make_profile_name(service, profile), "ttl": args.traffic.ttl_s},
        monitor_config={
            "protocol": probe.protocol.value,
            "port": probe.port,
            "path": probe.path,
            "interval_in_seconds": check.interval_s,
            "timeout_in_seconds": check.timeout_s or DEFAULT_TIMEOUT_S,
            # The last failure of the threshold is the first that is not tolerated.
            "tolerated_number_of_failures": check.failure_threshold - 1,
        },
        endpoints=[_endpoint(item, nested) for item in profile.endpoints],
        tags=args.tagged(),
        opts=child,
    )


def _endpoint(item: ProfileEndpoint, nested: Mapping[str, trafficmanager.Profile]) -> trafficmanager.EndpointArgs:
    if item.profile is None:
        return trafficmanager.EndpointArgs(
            name=item.name,
            type=_ENDPOINT.format("external"),
            target=item.target,
            always_serve=trafficmanager.AlwaysServe.DISABLED,
            weight=item.weight,
            priority=item.priority,
        )
    return trafficmanager.EndpointArgs(
        name=item.name,
        type=_ENDPOINT.format("nested"),
        target_resource_id=nested[item.profile].id,
        endpoint_location=item.location,
        priority=item.priority,
        min_child_endpoints=1,
    )


def _find_ds_record(keys: Sequence[dns.outputs.SigningKeyResponse] | None) -> str:
    """Return the DS record of the key that signs the other keys; empty until Azure has made it."""
    records = [info.record for key in keys or [] for info in key.delegation_signer_info or []]
    return records[0] if records else ""
