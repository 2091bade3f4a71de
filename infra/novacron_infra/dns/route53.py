"""A global endpoint on Route 53."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from novacron_infra.dns.args import GlobalEndpointArgs, ProbeProtocol, Route53
from novacron_infra.dns.records import Address, Alias, Failover, Latency, Record, Weighted, build_route53_records
from novacron_infra.dns.route53_zone import declare_zone
from novacron_infra.resource_outputs import require_output

SAFETY_WAIT_MS = 5000
"""How long no switch can be turned after one was, against flapping: ARC's default (botocore's model, mid-2026)."""


class Route53Endpoint(pulumi.ComponentResource):
    """Hosted zone, health checks and chained records; on wish a switch per region.

    Route 53 does not hold back a region that has just recovered. The switch does: the region stays out until someone
    turns it on again. Without switches a region leaves by failing its own probe.
    """

    zone_id: pulumi.Output[str]
    """Id of the hosted zone."""
    name_servers: pulumi.Output[Sequence[str]]
    """Name servers that the parent zone has to delegate to; empty for an existing zone."""
    ds_record: pulumi.Output[str]
    """DS record that the parent zone needs for DNSSEC; empty for an existing zone, and without DNSSEC."""
    routing_controls: pulumi.Output[Mapping[str, str]]
    """ARN of each region's switch, by the region's name."""
    switch_endpoints: pulumi.Output[Sequence[str]]
    """ARC's five endpoints, where the switches are turned; empty without, and for a cluster that exists."""

    def __init__(
        self, name: str, args: GlobalEndpointArgs, service: Route53, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("novacron:dns:Route53Endpoint", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        zone_id = service.zone_id
        self.name_servers = pulumi.Output.from_input([])
        self.ds_record = pulumi.Output.from_input("")
        if zone_id is None:
            zone = declare_zone(name, args, service, self)
            zone_id, self.name_servers, self.ds_record = zone.zone_id, zone.name_servers, zone.ds_record
        self.zone_id = pulumi.Output.from_input(zone_id)
        checks = _probes(name, args, child)
        self.routing_controls = pulumi.Output.from_input({})
        self.switch_endpoints = pulumi.Output.from_input([])
        if service.drain_switch:
            cluster_arn = service.cluster_arn
            if cluster_arn is None:
                cluster = aws.route53recoverycontrol.Cluster(
                    f"{name}-cluster", name=args.traffic.domain, tags=args.tagged(), opts=child
                )
                cluster_arn, self.switch_endpoints = cluster.arn, cluster.cluster_endpoints.apply(_urls)
            controls = _switches(name, args, cluster_arn, child)
            checks = _combined(name, args, checks, controls, child)
            self.routing_controls = pulumi.Output.all(**{region: control.arn for region, control in controls.items()})
        for record in build_route53_records(args):
            _record(f"{name}-{record.key}", record, args, zone_id, checks, child)
        self.register_outputs(
            {
                "name_servers": self.name_servers,
                "ds_record": self.ds_record,
                "routing_controls": self.routing_controls,
                "switch_endpoints": self.switch_endpoints,
            }
        )


def _probes(name: str, args: GlobalEndpointArgs, child: pulumi.ResourceOptions) -> dict[str, pulumi.Output[str]]:
    """A health check of each region, by the region's own name: its certificate and its routes know that one."""
    probe, check = args.probe, args.traffic.health_check
    return {
        item.region.name: aws.route53.HealthCheck(
            f"{name}-{item.region.dns_label}-probe",
            type=probe.protocol.value,
            fqdn=args.regional_name(item),
            port=probe.port,
            resource_path=probe.path,
            enable_sni=True if probe.protocol is ProbeProtocol.HTTPS else None,
            request_interval=check.interval_s,
            failure_threshold=check.failure_threshold,
            tags=args.tagged(Name=args.regional_name(item)),
            opts=child,
        ).id
        for item in args.regions
    }


def _switches(
    name: str, args: GlobalEndpointArgs, cluster_arn: pulumi.Input[str], child: pulumi.ResourceOptions
) -> dict[str, aws.route53recoverycontrol.RoutingControl]:
    """A routing control of each region, and the rule that one of them stays on."""
    panel = aws.route53recoverycontrol.ControlPanel(
        f"{name}-panel", name=args.traffic.domain, cluster_arn=cluster_arn, opts=child
    )
    controls = {
        item.region.name: aws.route53recoverycontrol.RoutingControl(
            f"{name}-{item.region.dns_label}-switch",
            name=item.region.dns_label,
            cluster_arn=cluster_arn,
            control_panel_arn=panel.arn,
            opts=child,
        )
        for item in args.regions
    }
    aws.route53recoverycontrol.SafetyRule(
        f"{name}-one-stays-on",
        name="one-stays-on",
        control_panel_arn=panel.arn,
        asserted_controls=[control.arn for control in controls.values()],
        rule_config={"type": "ATLEAST", "threshold": 1, "inverted": False},
        wait_period_ms=SAFETY_WAIT_MS,
        opts=child,
    )
    return controls


def _combined(
    name: str,
    args: GlobalEndpointArgs,
    probes: Mapping[str, pulumi.Output[str]],
    controls: Mapping[str, aws.route53recoverycontrol.RoutingControl],
    child: pulumi.ResourceOptions,
) -> dict[str, pulumi.Output[str]]:
    """A region is healthy when its probe is and its switch is on."""
    checks: dict[str, pulumi.Output[str]] = {}
    for item in args.regions:
        region, label = item.region.name, item.region.dns_label
        switch = aws.route53.HealthCheck(
            f"{name}-{label}-switched-on",
            type="RECOVERY_CONTROL",
            routing_control_arn=controls[region].arn,
            tags=args.tagged(Name=f"{args.regional_name(item)} switched on"),
            opts=child,
        )
        both = aws.route53.HealthCheck(
            f"{name}-{label}-serves",
            type="CALCULATED",
            child_healthchecks=[probes[region], switch.id],
            child_health_threshold=2,
            tags=args.tagged(Name=f"{args.regional_name(item)} serves"),
            opts=child,
        )
        checks[region] = both.id
    return checks


def _record(
    resource: str,
    record: Record,
    args: GlobalEndpointArgs,
    zone_id: pulumi.Input[str],
    checks: Mapping[str, pulumi.Output[str]],
    child: pulumi.ResourceOptions,
) -> None:
    content, routing = record.content, record.routing
    alias = isinstance(content, Alias)
    values = None if alias else [content.of.address if isinstance(content, Address) else content.name]
    aws.route53.Record(
        resource,
        zone_id=zone_id,
        name=record.name,
        type=record.type.value,
        set_identifier=routing.set_identifier if routing else None,
        latency_routing_policies=[{"region": routing.region}] if isinstance(routing, Latency) else None,
        weighted_routing_policies=[{"weight": routing.weight}] if isinstance(routing, Weighted) else None,
        failover_routing_policies=[{"type": routing.role.value}] if isinstance(routing, Failover) else None,
        health_check_id=checks[record.checked.region.name] if record.checked else None,
        aliases=[{"name": content.name, "zone_id": zone_id, "evaluate_target_health": True}] if alias else None,
        records=values,
        ttl=None if alias else args.traffic.ttl_s,
        opts=child,
    )


def _urls(endpoints: Sequence[aws.route53recoverycontrol.outputs.ClusterClusterEndpoint]) -> list[str]:
    return [require_output(item.endpoint, "Cluster.cluster_endpoints[].endpoint") for item in endpoints]
