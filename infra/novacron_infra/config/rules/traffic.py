"""Rules for global DNS, which an environment and a `GlobalEndpoint` share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts, find_kind
from novacron_infra.config.sections.platform import EnvironmentKind, Platform
from novacron_infra.config.sections.regions import TrafficRegion
from novacron_infra.config.sections.traffic import HealthCheck
from novacron_infra.errors import Problem

LONGEST_LABEL = 63
LONGEST_DNS_NAME = 253
"""Characters that fit into the 255 octets of RFC 1035, 2.3.4."""
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
# A number as the last label would be a mistyped address.
_DNS_NAME = re.compile(rf"(?!.*\.\d+$){_LABEL}(\.{_LABEL})+")
DNS_NAME_RULE = "a DNS name is lower-case labels joined by dots, without a dot at the end"
PRODUCTION_LONGEST_TTL_S = 60


def is_dns_name(text: str) -> bool:
    """Return whether `text` is a DNS name of two labels or more, in lower case."""
    return _DNS_NAME.fullmatch(text) is not None


def check_unique_labels(regions: Sequence[TrafficRegion]) -> Iterator[Problem]:
    """Report regions that share a name or a DNS label."""
    for what in ("name", "dns_label"):
        first: dict[str, int] = {}
        for index, region in enumerate(regions):
            value = region.name if what == "name" else region.dns_label
            earlier = first.setdefault(value, index)
            if earlier != index:
                rule = f"{item_path('regions', regions, earlier)} has the same {what}"
                yield problem(
                    f"{item_path('regions', regions, index)}.{what}",
                    value,
                    rule,
                    f"Give each region a {what} of its own",
                )


def check_region_weights(regions: Sequence[TrafficRegion]) -> Iterator[Problem]:
    """Report regions of which none has a weight."""
    if regions and sum(region.weight for region in regions) == 0:
        rule = "every region has weight 0, so none would get traffic"
        yield problem(
            f"{item_path('regions', regions, 0)}.weight", 0, rule, "Give at least one region a weight of 1 or more"
        )


def check_domain(domain: str) -> Iterator[Problem]:
    """Report a domain that is not a DNS name."""
    if not is_dns_name(domain):
        yield problem("traffic.domain", domain, DNS_NAME_RULE, "Write it like api.example.com")
    for label in domain.split("."):
        if len(label) > LONGEST_LABEL:
            rule = f"a label has {len(label)} characters, and DNS allows at most {LONGEST_LABEL}"
            yield problem("traffic.domain", domain, rule, "Shorten that label")


def check_dns_labels(regions: Sequence[TrafficRegion]) -> Iterator[Problem]:
    """Report a region's DNS label that is too long."""
    for index, region in enumerate(regions):
        if len(region.dns_label) > LONGEST_LABEL:
            rule = f"it has {len(region.dns_label)} characters, and a DNS label has at most {LONGEST_LABEL}"
            yield problem(f"{item_path('regions', regions, index)}.dns_label", region.dns_label, rule, "Shorten it")


def check_probe_timeout(platform: Platform | None, check: HealthCheck) -> Iterator[Problem]:
    """Report a probe timeout that the DNS service of `platform` does not support."""
    path = "traffic.health_check.timeout_s"
    if platform is Platform.AWS and check.timeout_s is not None:
        rule = "Route 53 has a fixed timeout, 4 s to connect and 2 s for the status"
        yield problem(path, check.timeout_s, rule, "Remove this key")
    elif check.timeout_s is not None and check.timeout_s > check.interval_s:
        rule = f"it is longer than interval_s, {check.interval_s}, so probes would overlap"
        yield problem(path, check.timeout_s, rule, f"Use {check.interval_s} or less")


def check_traffic(parts: Parts) -> Iterator[Problem]:
    """Check the domain, the failover target and the options of global DNS."""
    yield from check_dns_labels(parts.get("regions", ()))
    if "traffic" not in parts:
        return
    traffic, regions, platform = parts["traffic"], parts.get("regions", ()), parts.get("platform")
    if traffic is None:
        if len(regions) > 1:
            rule = f"{len(regions)} regions need global DNS"
            yield problem("traffic", MISSING, rule, "Add traffic with a domain, such as {domain: api.example.com}")
        return
    yield from check_domain(traffic.domain)
    if traffic.rto_target_s is not None and len(regions) == 1:
        rule = "an environment of one region has no other to fail over to"
        yield problem("traffic.rto_target_s", traffic.rto_target_s, rule, "Add a region, or remove this key")
    if find_kind(parts) is EnvironmentKind.PRODUCTION and traffic.ttl_s > PRODUCTION_LONGEST_TTL_S:
        rule = f"in production, resolvers may send clients to a dead region for at most {PRODUCTION_LONGEST_TTL_S} s"
        yield problem("traffic.ttl_s", traffic.ttl_s, rule, f"Use {PRODUCTION_LONGEST_TTL_S} or less")
    yield from check_probe_timeout(platform, traffic.health_check)
    if traffic.drain_switch and platform is not None and platform is not Platform.AWS:
        rule = f"only Route 53 has drain switches, and the DNS service of {platform.value} does not"
        fix = "Remove this key; to drain a region, let its coordinators fail the health check"
        yield problem("traffic.drain_switch", True, rule, fix)
    if traffic.zone is None and is_dns_name(traffic.domain) and traffic.domain.count(".") < 2:
        rule = f"without it the zone is {traffic.domain.partition('.')[2]}, a top-level domain"
        yield problem("traffic.zone", MISSING, rule, f"Name the zone that holds the domain, such as {traffic.domain}")
