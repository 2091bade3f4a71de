"""One name for load balancers in any of the clouds, for other programs."""

from dataclasses import replace
from typing import Any, TypedDict, TypeVar

import pulumi
from pydantic import BaseModel, ValidationError
from typing_extensions import NotRequired

from novacron_infra import dns
from novacron_infra.config import HealthCheck, Platform, Traffic, TrafficRegion
from novacron_infra.config.field_problems import describe_problems
from novacron_infra.config.problems import KEY, item_path
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.multi_language.known_inputs import check_known_inputs

Model = TypeVar("Model", bound=BaseModel)


class EndpointRegionArgs(TypedDict):
    """A region that can answer."""

    name: str
    """Its cloud's name of the region."""
    dns_label: str
    """Its regional name below the domain."""
    weight: int
    """Share of the traffic, 0 to 255, relative to the others; 0: a standby, served when all others are dead."""
    platform: Platform
    """Its cloud, which need not be the one that answers."""
    address: pulumi.Input[str]
    """Host name or IPv4 address of its load balancer."""
    address_kind: dns.AddressKind
    """Which of the two it is."""
    nearest: NotRequired[str]
    """The region of the answering cloud that is nearest; its own name unless stated."""


class HealthCheckArgs(TypedDict):
    """How a region is found dead."""

    interval_s: NotRequired[int]
    """Seconds between two probes; 30 unless stated."""
    timeout_s: NotRequired[int]
    """Seconds that a probe waits; the service's own unless stated."""
    failure_threshold: NotRequired[int]
    """Failures in a row until a region counts as dead; 3 unless stated."""


class ProbeArgs(TypedDict):
    """The question that a healthy region answers."""

    protocol: NotRequired[dns.ProbeProtocol]
    """HTTPS unless stated."""
    port: NotRequired[int]
    """443 unless stated."""
    path: NotRequired[str]
    """Says 200 while the region can serve; HTTP and HTTPS need one."""


class Route53Args(TypedDict):
    """Route 53 answers: nearest region first, the others by weight."""

    zone_name: str
    """The hosted zone that holds the domain."""
    zone_id: NotRequired[pulumi.Input[str]]
    """Id of an existing zone. Without it, the zone is created."""
    protect_zone: NotRequired[bool]
    """Whether the zone may not be deleted; true unless stated."""
    drain_switch: NotRequired[bool]
    """One ARC routing control per region, billed by the hour; new ones are off."""
    cluster_arn: NotRequired[pulumi.Input[str]]
    """ARN of an existing ARC cluster. Without it, one is created when there are switches."""


class CloudDnsArgs(TypedDict):
    """Cloud DNS answers, with IPv4 addresses only."""

    zone_name: str
    """DNS name of the managed zone that holds the domain."""
    managed_zone: NotRequired[pulumi.Input[str]]
    """Name of a managed zone that exists; none: it is made."""
    protect_zone: NotRequired[bool]
    """Whether the zone may not be deleted; true unless stated."""
    routing: NotRequired[dns.CloudDnsRouting]
    """Weights, or the nearest region: never both. Weighted unless stated."""
    probe_regions: NotRequired[list[str]]
    """The Google Cloud regions that probe: exactly three."""


class TrafficManagerArgs(TypedDict):
    """Traffic Manager answers: nearest region first, the others by weight."""

    zone_name: str
    """The Azure DNS zone that holds the domain."""
    resource_group_name: pulumi.Input[str]
    """Resource group of the profiles and the zone."""
    relative_name: str
    """Name below trafficmanager.net, unique in the world."""
    create_zone: NotRequired[bool]
    """False: the zone exists in the resource group."""
    protect_zone: NotRequired[bool]
    """Whether the zone may not be deleted; true unless stated."""


class GlobalEndpointArgs(TypedDict):
    """One name for all regions, and one for each. Exactly one of route53, cloud_dns and traffic_manager is given."""

    domain: str
    """The name that clients use; regional names lie below it."""
    regions: list[EndpointRegionArgs]
    """Those that can answer."""
    route53: NotRequired[Route53Args]
    """Route 53 answers."""
    cloud_dns: NotRequired[CloudDnsArgs]
    """Cloud DNS answers."""
    traffic_manager: NotRequired[TrafficManagerArgs]
    """Traffic Manager answers."""
    probe: ProbeArgs
    """The question that a healthy region answers."""
    ttl_s: NotRequired[int]
    """Seconds that resolvers keep an answer; 60 unless stated."""
    rto_target_s: NotRequired[int]
    """Seconds that a dead region may keep its traffic; what takes longer is refused."""
    health_check: NotRequired[HealthCheckArgs]
    """How often and how patiently regions are probed."""
    failover: NotRequired[bool]
    """False says of a single region that nothing takes over from it."""


class GlobalEndpoint(pulumi.ComponentResource):
    """One name for load balancers in any of the clouds: a dead region loses its traffic without an update."""

    domain: pulumi.Output[str]
    """The name that clients use."""
    regional_names: pulumi.Output[dict[str, str]]
    """The name that always means one region, by the region's name."""
    rto_s: pulumi.Output[int | None]
    """Seconds a dead region keeps its traffic; none: nothing takes over."""
    name_servers: pulumi.Output[list[str]]
    """Name servers for the parent zone's delegation. Empty for an existing zone."""
    routing_controls: pulumi.Output[dict[str, str]]
    """ARN of the ARC routing control that drains a region, by the region's name."""
    switch_endpoints: pulumi.Output[list[str]]
    """ARC's data plane, where the switches are turned."""

    def __init__(self, name: str, args: GlobalEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = check_known_inputs(name, GlobalEndpointArgs, args)
        given = dns.GlobalEndpointArgs(
            traffic=_traffic(name, args),
            regions=tuple(
                _region(item_path(f"{name}.regions", args["regions"], index), item)
                for index, item in enumerate(args["regions"])
            ),
            service=_service(name, args),
            probe=dns.Probe(
                protocol=args["probe"].get("protocol", dns.ProbeProtocol.HTTPS),
                port=args["probe"].get("port", 443),
                path=args["probe"].get("path"),
            ),
            failover=args.get("failover", True),
        )
        super().__init__("novacron:index:GlobalEndpoint", name, None, opts)
        endpoint = dns.GlobalEndpoint(name, given, pulumi.ResourceOptions(parent=self))
        self.domain = endpoint.domain
        self.regional_names = endpoint.regional_names.apply(dict)
        self.rto_s = endpoint.rto_s
        self.name_servers = endpoint.name_servers.apply(list)
        self.routing_controls = endpoint.routing_controls.apply(dict)
        self.switch_endpoints = endpoint.switch_endpoints.apply(list)
        self.register_outputs(
            {
                "domain": self.domain,
                "regional_names": self.regional_names,
                "rto_s": self.rto_s,
                "name_servers": self.name_servers,
                "routing_controls": self.routing_controls,
                "switch_endpoints": self.switch_endpoints,
            }
        )


def _traffic(name: str, args: GlobalEndpointArgs) -> Traffic:
    health = _model(HealthCheck, f"{name}.health_check", dict(args.get("health_check", {})))
    given = {field: args.get(field) for field in ("domain", "ttl_s", "rto_target_s") if field in args}
    return _model(Traffic, name, {**given, "health_check": health})


def _region(path: str, args: EndpointRegionArgs) -> dns.EndpointRegion:
    return dns.EndpointRegion(
        region=_model(
            TrafficRegion, path, {"name": args["name"], "dns_label": args["dns_label"], "weight": args["weight"]}
        ),
        platform=args["platform"],
        address=args["address"],
        address_kind=args["address_kind"],
        nearest=args.get("nearest"),
    )


def _service(name: str, args: GlobalEndpointArgs) -> dns.DnsService:
    services: dict[str, dns.DnsService] = {}
    if (route53 := args.get("route53")) is not None:
        services["route53"] = dns.Route53(
            zone_name=route53["zone_name"],
            zone_id=route53.get("zone_id"),
            protect_zone=route53.get("protect_zone", True),
            drain_switch=route53.get("drain_switch", False),
            cluster_arn=route53.get("cluster_arn"),
        )
    if (cloud_dns := args.get("cloud_dns")) is not None:
        service = dns.CloudDns(
            zone_name=cloud_dns["zone_name"],
            managed_zone=cloud_dns.get("managed_zone"),
            protect_zone=cloud_dns.get("protect_zone", True),
            routing=cloud_dns.get("routing", dns.CloudDnsRouting.WEIGHTED),
        )
        probes = cloud_dns.get("probe_regions")
        services["cloud_dns"] = service if probes is None else replace(service, probe_regions=tuple(probes))
    if (manager := args.get("traffic_manager")) is not None:
        services["traffic_manager"] = dns.TrafficManager(
            zone_name=manager["zone_name"],
            resource_group_name=manager["resource_group_name"],
            relative_name=manager["relative_name"],
            create_zone=manager.get("create_zone", True),
            protect_zone=manager.get("protect_zone", True),
        )
    if len(services) != 1:
        rule = "exactly one of route53, cloud_dns and traffic_manager answers"
        if not services:
            raise_problems([Problem(f"{name}.route53", None, rule, "Give one of the three")])
        raise_problems([Problem(name, " and ".join(services), rule, "Remove all but one")])
    return next(iter(services.values()))


def _model(kind: type[Model], path: str, values: dict[str, Any]) -> Model:
    try:
        return kind(**values)
    except ValidationError as error:
        # The configuration's messages write paths below `novacron:environment`.
        raise_problems(
            [
                replace(problem, path=f"{path}{problem.path.removeprefix(KEY)}")
                for problem in describe_problems(kind, values, error.errors())
            ]
        )
        raise
