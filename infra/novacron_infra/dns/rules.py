"""Limits of the DNS services, checked before any resource. All problems are reported together, each with a fix."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from novacron_infra.config.problems import KEY, item_path, problem
from novacron_infra.config.rules.regions import REGION_NAMES
from novacron_infra.config.rules.traffic import (
    DNS_NAME_RULE,
    LONGEST_DNS_NAME,
    LONGEST_LABEL,
    check_dns_labels,
    check_domain,
    check_probe_timeout,
    check_region_weights,
    check_unique_labels,
    is_dns_name,
)
from novacron_infra.dns.args import (
    AddressKind,
    CloudDns,
    CloudDnsRouting,
    GlobalEndpointArgs,
    ProbeProtocol,
    Route53,
    TrafficManager,
)
from novacron_infra.dns.records import Profile, build_route53_records, build_traffic_manager_profiles
from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.limits.dns import (
    CLOUD_DNS_LONGEST_INTERVAL_S,
    DEFAULT_TIMEOUT_S,
    LONGEST_ARC_NAME,
    check_traffic_manager_timeout,
)
from novacron_infra.plan import PlanError, Recovery, check_recovery, estimate_recovery

LONGEST_PATH = 255
"""Path length that a Route 53 health check allows."""
PROBE_REGIONS = 3


def check_endpoint_args(args: GlobalEndpointArgs) -> Recovery | None:
    """Return how long a failed region keeps its traffic, or None if no other region takes over.

    Raises:
        ConfigurationError: with everything that the service cannot do, and with a recovery that takes longer than its
            target.
    """
    problems = [
        found
        for rule in (_check_regions, _check_addresses, _check_names, _check_nearest, _check_probe, _check_service)
        for found in rule(args)
    ]
    recovery: Recovery | None = None
    try:
        if len(args.regions) > 1:
            recovery = check_recovery(args.service.platform, args.traffic)
        else:
            estimate_recovery(args.service.platform, args.traffic)
    except PlanError as error:
        problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    return recovery


def _describe(path: str, value: object, rule: str, fix: str) -> Problem:
    """Return the problem of an argument, which only programs set."""
    return Problem(f"GlobalEndpointArgs.{path}", str(value), rule, fix)


def _region_path(args: GlobalEndpointArgs, index: int) -> str:
    return item_path("regions", [item.region for item in args.regions], index)


def _check_regions(args: GlobalEndpointArgs) -> Iterator[Problem]:
    count = len(args.regions)
    if args.failover and count < 2:
        rule = "one region has no other to fail over to"
        yield _describe("failover", args.failover, rule, "Add a region, or set failover=False")
    if not args.failover and count > 1:
        yield _describe(
            "failover", args.failover, f"{count} regions take over from each other", "Remove failover=False"
        )
    regions = [item.region for item in args.regions]
    yield from check_unique_labels(regions)
    yield from check_region_weights(regions)


def _check_addresses(args: GlobalEndpointArgs) -> Iterator[Problem]:
    domain = args.traffic.domain
    for index, item in enumerate(args.regions):
        if isinstance(item.address, str):
            kind = AddressKind.IPV4 if _is_ipv4(item.address) else AddressKind.HOSTNAME
            if kind is AddressKind.HOSTNAME and not is_dns_name(item.address.rstrip(".").lower()):
                rule = "it is neither an IPv4 address nor a host name"
                yield _describe(f"{_region_path(args, index)}.address", item.address, rule, "Give the load balancer's")
            elif item.address == domain or item.address.endswith(f".{domain}"):
                rule = "the endpoint creates this name, which would then point to itself"
                yield _describe(
                    f"{_region_path(args, index)}.address", item.address, rule, "Give the load balancer's own"
                )
            elif kind is not item.address_kind:
                rule = f"{item.address} is {kind.value}"
                yield _describe(
                    f"{_region_path(args, index)}.address_kind", item.address_kind.value, rule, f"Use {kind.value}"
                )
        if item.address_kind is AddressKind.IPV4:
            continue
        path, value = f"{_region_path(args, index)}.address_kind", item.address_kind.value
        if isinstance(args.service, CloudDns):
            rule = "Cloud DNS probes IPv4 addresses only in public zones"
            yield _describe(path, value, rule, "Reserve an address for the load balancer, or use another service")
        elif isinstance(args.service, Route53) and args.at_apex:
            rule = f"a CNAME cannot be at the zone's apex {domain}"
            yield _describe(path, value, rule, "Put the domain below the zone, or give addresses")


def _check_names(args: GlobalEndpointArgs) -> Iterator[Problem]:
    domain, zone = args.traffic.domain, args.service.zone_name
    yield from check_domain(domain)
    yield from check_dns_labels([item.region for item in args.regions])
    if not is_dns_name(zone):
        yield _describe("service.zone_name", zone, DNS_NAME_RULE, "Write it like example.com")
    if not args.at_apex and not domain.endswith(f".{zone}"):
        yield _describe("service.zone_name", zone, f"{domain} is not in it", "Name the zone that holds the domain")
    names = [args.regional_name(item) for item in args.regions]
    if isinstance(args.service, Route53):
        names = [record.name for record in build_route53_records(args)]
    longest = max(names, key=len, default="")
    if len(longest) > LONGEST_DNS_NAME:
        rule = f"{longest} has {len(longest)} characters; DNS allows {LONGEST_DNS_NAME}"
        yield problem("traffic.domain", domain, rule, "Shorten it or the regions' dns_label")


def _check_nearest(args: GlobalEndpointArgs) -> Iterator[Problem]:
    weighted = isinstance(args.service, CloudDns) and args.service.routing is CloudDnsRouting.WEIGHTED
    cloud = args.service.platform
    names = REGION_NAMES[cloud]
    seen: set[str] = set()
    for index, item in enumerate(args.regions):
        if weighted or item.region.weight == 0:
            continue
        path = f"{_region_path(args, index)}.nearest"
        place = item.place if item.nearest or item.platform is cloud else None
        if place is None:
            rule = f"{item.region.name} is in {item.platform.value}, and {cloud.value} answers by nearness"
            yield _describe(path, "None", rule, f"Name the region of {cloud.value} that is nearest")
        elif not names.matches(place):
            rule = f"no region of {cloud.value} has such a name"
            yield _describe(path, place, rule, f"Write it like {names.example}")
        elif place in seen and not isinstance(args.service, TrafficManager):
            rule = "another region has it, and the service accepts each place once"
            yield _describe(path, place, rule, "Name the next nearest region")
        else:
            seen.add(place)


def _check_probe(args: GlobalEndpointArgs) -> Iterator[Problem]:
    probe = args.probe
    if not 1 <= probe.port <= 65535:
        yield _describe("probe.port", probe.port, "ports are 1 to 65535", "Use the load balancer's")
    if probe.protocol is ProbeProtocol.TCP:
        if probe.path is not None:
            yield _describe("probe.path", probe.path, "a TCP probe has no path", "Remove it, or use HTTPS")
    elif not probe.path:
        rule = f"{probe.protocol.value} needs a path"
        yield _describe(
            "probe.path", probe.path, rule, "Name one that returns 200 while the region can serve, such as /ready"
        )
    elif not probe.path.startswith("/") or len(probe.path) > LONGEST_PATH:
        rule = f"a path begins with / and has {LONGEST_PATH} characters at most"
        yield _describe("probe.path", probe.path, rule, "Write it as /ready")
    yield from check_probe_timeout(args.service.platform, args.traffic.health_check)


def _check_service(args: GlobalEndpointArgs) -> Iterator[Problem]:
    if isinstance(args.service, Route53):
        yield from _check_route53(args, args.service)
    elif isinstance(args.service, CloudDns):
        yield from _check_cloud_dns(args, args.service)
    else:
        yield from _check_traffic_manager(args, args.service)


def _check_route53(args: GlobalEndpointArgs, service: Route53) -> Iterator[Problem]:
    if service.cluster_arn is not None and not service.drain_switch:
        yield _describe("service.cluster_arn", "set", "without drain_switch nothing uses it", "Set drain_switch=True")
    if service.drain_switch and len(args.traffic.domain) > LONGEST_ARC_NAME:
        rule = f"ARC's control panel is named after it and takes {LONGEST_ARC_NAME} characters"
        yield problem("traffic.domain", args.traffic.domain, rule, "Shorten it, or remove drain_switch")


def _check_cloud_dns(args: GlobalEndpointArgs, service: CloudDns) -> Iterator[Problem]:
    regions, interval_s = service.probe_regions, args.traffic.health_check.interval_s
    if len(set(regions)) != PROBE_REGIONS or len(regions) != PROBE_REGIONS:
        rule = f"Cloud DNS probes from exactly {PROBE_REGIONS} regions"
        yield _describe("service.probe_regions", ", ".join(regions), rule, "Name three different ones")
    if interval_s > CLOUD_DNS_LONGEST_INTERVAL_S:
        rule = f"Google Cloud probes every {CLOUD_DNS_LONGEST_INTERVAL_S} s at least"
        yield problem("traffic.health_check.interval_s", interval_s, rule, "Use 30")
    for index, item in enumerate(args.regions):
        if item.region.weight == 0 and args.active:
            rule = "Cloud DNS would never send a standby the traffic of the others"
            yield problem(f"{_region_path(args, index)}.weight", 0, rule, "Give it a weight, or use another service")


def _check_traffic_manager(args: GlobalEndpointArgs, service: TrafficManager) -> Iterator[Problem]:
    check = args.traffic.health_check
    timeout_s = check.timeout_s or DEFAULT_TIMEOUT_S
    yield from check_traffic_manager_timeout(f"{KEY}.traffic.health_check.timeout_s", timeout_s, check.interval_s)
    if args.at_apex:
        rule = "Traffic Manager is reached by a CNAME, which cannot be at the zone's apex"
        yield problem("traffic.domain", args.traffic.domain, rule, "Put the domain below the zone")
    names = [make_profile_name(service, profile) for profile in build_traffic_manager_profiles(args)]
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", service.relative_name):
        rule = "a label below trafficmanager.net has a-z, 0-9 and - inside"
        yield _describe("service.relative_name", service.relative_name, rule, "Write it as example-prod")
    longest = max(names, key=len)
    if len(longest) > LONGEST_LABEL:
        rule = f"{longest} has {len(longest)} characters; a DNS label has {LONGEST_LABEL} at most"
        yield _describe("service.relative_name", service.relative_name, rule, "Shorten it or the regions' dns_label")


def make_profile_name(service: TrafficManager, profile: Profile) -> str:
    """Return the label of a profile below trafficmanager.net."""
    return "-".join(part for part in (service.relative_name, profile.key) if part)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
