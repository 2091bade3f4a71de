"""A global endpoint on Cloud DNS."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from novacron_infra.dns.args import CloudDns, CloudDnsRouting, GlobalEndpointArgs, ProbeProtocol
from novacron_infra.dns.records import RecordType
from novacron_infra.plan.failover import DEFAULT_TIMEOUT_S


class CloudDnsEndpoint(pulumi.ComponentResource):
    """Managed zone, a health check and one record set whose policy has every region.

    There is no switch and no hold-down: a region leaves by failing its own probe, and is back as soon as it passes it.
    """

    managed_zone: pulumi.Output[str]
    """Name of the managed zone."""
    name_servers: pulumi.Output[Sequence[str]]
    """Name servers that the parent zone has to delegate to; empty for an existing zone."""

    def __init__(
        self, name: str, args: GlobalEndpointArgs, service: CloudDns, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("novacron:dns:CloudDnsEndpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        managed_zone = service.managed_zone
        self.name_servers = pulumi.Output.from_input([])
        if managed_zone is None:
            zone_options = pulumi.ResourceOptions(parent=self, protect=service.protect_zone)
            labels = {key.lower(): value.lower() for key, value in args.tagged().items()}
            zone = gcp.dns.ManagedZone(
                f"{name}-zone",
                dns_name=f"{service.zone_name}.",
                dnssec_config={"state": "on", "non_existence": "nsec3"} if service.dnssec else None,
                cloud_logging_config={"enable_logging": True} if service.query_logs else None,
                labels=labels,
                opts=zone_options,
            )
            managed_zone, self.name_servers = zone.name, zone.name_servers
        self.managed_zone = pulumi.Output.from_input(managed_zone)
        ttl_s = args.traffic.ttl_s
        for item in args.regions:
            gcp.dns.RecordSet(
                f"{name}-region-{item.region.dns_label}",
                managed_zone=managed_zone,
                name=f"{args.regional_name(item)}.",
                type=RecordType.A.value,
                ttl=ttl_s,
                rrdatas=[item.address],
                opts=child,
            )
        gcp.dns.RecordSet(
            f"{name}-domain",
            managed_zone=managed_zone,
            name=f"{args.traffic.domain}.",
            type=RecordType.A.value,
            ttl=ttl_s,
            routing_policy=_routing_policy(args, service, _health_check(f"{name}-probe", args, service, child)),
            opts=child,
        )
        self.register_outputs({"name_servers": self.name_servers})


def _health_check(
    resource: str, args: GlobalEndpointArgs, service: CloudDns, child: pulumi.ResourceOptions
) -> gcp.compute.HealthCheck:
    """One for all regions; it asks each by the domain's name, which the certificates of all have to hold."""
    probe, check, host = args.probe, args.traffic.health_check, args.traffic.domain
    http = probe.protocol is ProbeProtocol.HTTP
    https = probe.protocol is ProbeProtocol.HTTPS
    tcp = probe.protocol is ProbeProtocol.TCP
    return gcp.compute.HealthCheck(
        resource,
        source_regions=list(service.probe_regions),
        check_interval_sec=check.interval_s,
        timeout_sec=check.timeout_s or DEFAULT_TIMEOUT_S,
        unhealthy_threshold=check.failure_threshold,
        http_health_check={"host": host, "port": probe.port, "request_path": probe.path} if http else None,
        https_health_check={"host": host, "port": probe.port, "request_path": probe.path} if https else None,
        tcp_health_check={"port": probe.port} if tcp else None,
        opts=child,
    )


def _routing_policy(
    args: GlobalEndpointArgs, service: CloudDns, check: gcp.compute.HealthCheck
) -> gcp.dns.RecordSetRoutingPolicyArgs:
    if service.routing is CloudDnsRouting.GEO:
        geos = [
            gcp.dns.RecordSetRoutingPolicyGeoArgs(
                location=item.place,
                health_checked_targets=gcp.dns.RecordSetRoutingPolicyGeoHealthCheckedTargetsArgs(
                    external_endpoints=[item.address]
                ),
            )
            for item in args.active
        ]
        return gcp.dns.RecordSetRoutingPolicyArgs(health_check=check.id, geos=geos)
    wrrs = [
        gcp.dns.RecordSetRoutingPolicyWrrArgs(
            weight=float(item.region.weight),
            health_checked_targets=gcp.dns.RecordSetRoutingPolicyWrrHealthCheckedTargetsArgs(
                external_endpoints=[item.address]
            ),
        )
        for item in args.active
    ]
    return gcp.dns.RecordSetRoutingPolicyArgs(health_check=check.id, wrrs=wrrs)
