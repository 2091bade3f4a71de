"""The component that users take: one name for all regions, on the service that they choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from novacron_infra.dns.args import CloudDns, GlobalEndpointArgs, Route53
from novacron_infra.dns.rules import check_endpoint_args
from novacron_infra.known_args import check_known_args


class GlobalEndpoint(pulumi.ComponentResource):
    """Global DNS over regions in any of the clouds.

    A dead region needs no update to lose its traffic: probes that run all the time take it out of the answers. To drain
    a living one, turn its switch (Route 53) or let its coordinator fail the probe. No service holds a recovered region
    back; only a switch does.

    Raises:
        ConfigurationError: everything that the service cannot do, and a recovery longer than `traffic.rto_target_s`.
    """

    domain: pulumi.Output[str]
    """The name that clients use."""
    regional_names: pulumi.Output[Mapping[str, str]]
    """The name that always means one region, by the region's name."""
    rto_s: pulumi.Output[int | None]
    """Seconds a dead region keeps its traffic, without the service's own publication; None: nothing takes over."""
    zone: pulumi.Output[str]
    """The zone of the names: its id on Route 53, its name on Cloud DNS and Azure DNS. Resolves once it exists."""
    name_servers: pulumi.Output[Sequence[str]]
    """Name servers that the parent zone has to delegate to; empty for an existing zone."""
    ds_record: pulumi.Output[str]
    """DS record that the parent zone needs for DNSSEC; empty for an existing zone, without DNSSEC, and on Cloud DNS."""
    routing_controls: pulumi.Output[Mapping[str, str]]
    """ARN of the ARC routing control that drains a region, by the region's name; empty without switches."""
    switch_endpoints: pulumi.Output[Sequence[str]]
    """ARC's data plane, where the switches are turned; empty without switches or for a cluster that exists."""

    def __init__(self, name: str, args: GlobalEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        recovery = check_endpoint_args(args)
        super().__init__("novacron:dns:GlobalEndpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.routing_controls = pulumi.Output.from_input({})
        self.switch_endpoints = pulumi.Output.from_input([])
        self.ds_record = pulumi.Output.from_input("")
        # Imported here: a program that uses one cloud loads the SDK of that one only.
        if isinstance(args.service, Route53):
            from novacron_infra.dns.route53 import Route53Endpoint

            route53 = Route53Endpoint(f"{name}-route53", args, args.service, child)
            self.zone, self.name_servers, self.ds_record = route53.zone_id, route53.name_servers, route53.ds_record
            self.routing_controls, self.switch_endpoints = route53.routing_controls, route53.switch_endpoints
        elif isinstance(args.service, CloudDns):
            from novacron_infra.dns.cloud_dns import CloudDnsEndpoint

            cloud_dns = CloudDnsEndpoint(f"{name}-cloud-dns", args, args.service, child)
            self.zone, self.name_servers = cloud_dns.managed_zone, cloud_dns.name_servers
        else:
            from novacron_infra.dns.traffic_manager import TrafficManagerEndpoint

            traffic_manager = TrafficManagerEndpoint(f"{name}-traffic-manager", args, args.service, child)
            self.zone, self.name_servers = traffic_manager.zone_name, traffic_manager.name_servers
            self.ds_record = traffic_manager.ds_record
        self.domain = pulumi.Output.from_input(args.traffic.domain)
        self.regional_names = pulumi.Output.from_input(
            {item.region.name: args.regional_name(item) for item in args.regions}
        )
        self.rto_s = pulumi.Output.from_input(recovery.rto_s if recovery else None)
        self.register_outputs(
            {
                "domain": self.domain,
                "regional_names": self.regional_names,
                "rto_s": self.rto_s,
                "name_servers": self.name_servers,
                "ds_record": self.ds_record,
                "routing_controls": self.routing_controls,
                "switch_endpoints": self.switch_endpoints,
            }
        )
