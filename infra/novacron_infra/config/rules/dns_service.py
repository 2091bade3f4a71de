"""Limits of the DNS services that concern several parts of an environment."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.config.problems import KEY, item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.traffic import LONGEST_DNS_NAME, LONGEST_LABEL, is_dns_name
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.traffic import Traffic
from novacron_infra.errors import Problem
from novacron_infra.limits.dns import (
    CLOUD_DNS_LONGEST_INTERVAL_S,
    LONGEST_ARC_NAME,
    check_traffic_manager_timeout,
)
from novacron_infra.limits.names import check_existing_zone

_DNS = {Platform.AWS: "Route 53", Platform.GCP: "Cloud DNS", Platform.AZURE: "Traffic Manager"}


def check_dns_service(parts: Parts) -> Iterator[Problem]:
    """Report what the DNS service of the environment's cloud cannot do."""
    traffic, platform, regions = parts.get("traffic"), parts.get("platform"), parts.get("regions", ())
    if traffic is None or platform is None:
        return
    if traffic.existing_zone is not None:
        yield from check_existing_zone(f"{KEY}.traffic.existing_zone", traffic.existing_zone, Cloud(platform.value))
    if not is_dns_name(traffic.domain):
        return  # `check_traffic` reports it
    yield from _check_zone(traffic, platform, regions)
    yield from _check_names(traffic, platform, regions)
    yield from _check_probes(traffic, platform)
    if platform is Platform.GCP:
        yield from _check_cloud_dns(regions)
    if platform is Platform.AWS:
        yield from _check_places(regions)


def _check_zone(traffic: Traffic, platform: Platform, regions: tuple[Region, ...]) -> Iterator[Problem]:
    zone, domain = traffic.zone, traffic.domain
    if zone is None:
        return
    if not is_dns_name(zone):
        rule = "a DNS zone is lower-case labels joined by dots, without a dot at the end"
        yield problem("traffic.zone", zone, rule, f"Use {domain.partition('.')[2]}")
    elif zone == domain:
        by_name = any(region.find_platform(platform) is Platform.AWS for region in regions)
        if platform is Platform.AZURE or (platform is Platform.AWS and by_name):
            rule = f"it is the apex of the zone, and {_DNS[platform]} needs a CNAME there, which DNS forbids"
            yield problem("traffic.domain", domain, rule, f"Use a name below the zone, such as api.{zone}")
    elif not domain.endswith(f".{zone}"):
        rule = f"traffic.domain {domain} is not in this zone"
        yield problem("traffic.zone", zone, rule, f"Use {domain.partition('.')[2]}, or a domain such as api.{zone}")


def _check_names(traffic: Traffic, platform: Platform, regions: tuple[Region, ...]) -> Iterator[Problem]:
    domain = traffic.domain
    label = max((region.dns_label for region in regions), key=len, default="")
    # Route 53 has two more names for each region, such as us-west.entry.api.example.com.
    longest = f"{label}.entry.{domain}" if platform is Platform.AWS else f"{label}.{domain}"
    if len(longest) > LONGEST_DNS_NAME:
        rule = f"{longest} would have {len(longest)} characters, and DNS allows {LONGEST_DNS_NAME}"
        yield problem("traffic.domain", domain, rule, "Shorten it, or the dns_label of the region")
    if platform is Platform.AWS and traffic.drain_switch and len(domain) > LONGEST_ARC_NAME:
        rule = f"it has {len(domain)} characters, and the panel of the drain switches takes {LONGEST_ARC_NAME}"
        yield problem("traffic.domain", domain, rule, "Shorten it, or remove traffic.drain_switch")
    if platform is Platform.AZURE:
        name = f"{domain.replace('.', '-')}-entry-{label}"
        if len(name) > LONGEST_LABEL:
            rule = f"the label {name} below trafficmanager.net would have {len(name)} characters, and DNS allows "
            fix = "Shorten it, or the dns_label of the region"
            yield problem("traffic.domain", domain, f"{rule}{LONGEST_LABEL}", fix)
        if "_" in domain:
            rule = "its name below trafficmanager.net cannot have an underscore"
            yield problem("traffic.domain", domain, rule, "Use a domain without underscores")


def _check_probes(traffic: Traffic, platform: Platform) -> Iterator[Problem]:
    check = traffic.health_check
    if platform is Platform.GCP and check.interval_s > CLOUD_DNS_LONGEST_INTERVAL_S:
        rule = f"Cloud DNS probes at least every {CLOUD_DNS_LONGEST_INTERVAL_S} s"
        path = "traffic.health_check.interval_s"
        yield problem(path, check.interval_s, rule, f"Use {CLOUD_DNS_LONGEST_INTERVAL_S} or less")
    if platform is Platform.AZURE and check.timeout_s is not None:
        path = f"{KEY}.traffic.health_check.timeout_s"
        yield from check_traffic_manager_timeout(path, check.timeout_s, check.interval_s)


def _check_cloud_dns(regions: tuple[Region, ...]) -> Iterator[Problem]:
    serving = any(region.weight for region in regions)
    for index, region in enumerate(regions):
        path = item_path("regions", regions, index)
        if region.find_platform(Platform.GCP) is Platform.AWS:
            rule = "Cloud DNS probes IPv4 addresses only, and load balancers on aws have names"
            fix = "Set platform to aws, whose DNS service serves every cloud, or use regions on gcp and azure"
            yield problem(f"{path}.overrides.platform", Platform.AWS.value, rule, fix)
        if region.weight == 0 and serving:
            rule = "Cloud DNS would never send a standby the traffic of the other regions"
            yield problem(f"{path}.weight", 0, rule, "Use a weight of 1 or more, or set platform to aws or azure")


def _check_places(regions: tuple[Region, ...]) -> Iterator[Problem]:
    """Report regions that Route 53 cannot tell apart by distance."""
    seen: dict[str, str] = {}
    for index, region in enumerate(regions):
        if region.weight == 0:
            continue
        path, place = (
            item_path("regions", regions, index),
            region.overrides.nearest if region.overrides else region.name,
        )
        if place in seen and region.overrides:
            rule = f"{seen[place]} already answers the clients near {place}"
            yield problem(f"{path}.overrides.nearest", place, rule, "Name the next nearest region of aws")
        seen.setdefault(place, path)
