"""The chain of names as data: record sets of Route 53, profiles of Traffic Manager.

Cloud DNS needs only one record set, which its component declares. The types exclude what the services exclude: a record
has one routing policy, and an alias has no TTL. `rules` has the rules about values. Decision 6 explains the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from novacron_infra.dns.args import AddressKind, EndpointRegion, GlobalEndpointArgs


class RecordType(str, Enum):
    """Types of the records in the chain."""

    A = "A"
    CNAME = "CNAME"


class FailoverRole(str, Enum):
    """Roles in a Route 53 failover pair."""

    PRIMARY = "PRIMARY"
    SECONDARY = "SECONDARY"


class RoutingMethod(str, Enum):
    """Traffic Manager's methods that are used here."""

    PERFORMANCE = "Performance"
    PRIORITY = "Priority"
    WEIGHTED = "Weighted"


@dataclass(frozen=True, slots=True)
class Latency:
    """Answered to the clients that are nearest to the AWS region."""

    set_identifier: str
    region: str


@dataclass(frozen=True, slots=True)
class Weighted:
    """Answered in proportion to the weight; 0: when all others are dead."""

    set_identifier: str
    weight: int


@dataclass(frozen=True, slots=True)
class Failover:
    """PRIMARY is answered while it is healthy."""

    set_identifier: str
    role: FailoverRole


@dataclass(frozen=True, slots=True)
class Alias:
    """Whatever another name of the zone answers; as healthy as that is."""

    name: str


@dataclass(frozen=True, slots=True)
class Address:
    """The region's own address."""

    of: EndpointRegion


@dataclass(frozen=True, slots=True)
class Canonical:
    """Another name."""

    name: str


Routing: TypeAlias = Latency | Weighted | Failover
Content: TypeAlias = Alias | Address | Canonical


@dataclass(frozen=True, slots=True)
class Record:
    """A record set of Route 53."""

    key: str
    """Key of the record in the names of resources. Labels have no dots, so keys are unique."""
    name: str
    type: RecordType
    content: Content
    routing: Routing | None = None
    checked: EndpointRegion | None = None
    """Region whose health check decides whether the record is returned."""


@dataclass(frozen=True, slots=True)
class ProfileEndpoint:
    """A Traffic Manager endpoint: a region's name or a nested profile."""

    name: str
    target: str | None = None
    profile: str | None = None
    """Key of the nested profile."""
    location: str | None = None
    weight: int | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A Traffic Manager profile; `key` is what follows the relative name, empty for the domain's own."""

    key: str
    method: RoutingMethod
    endpoints: tuple[ProfileEndpoint, ...]


def choose_regional_type(item: EndpointRegion) -> RecordType:
    """The type of a single region's name. It is not routed: there is nothing to choose from."""
    return RecordType.A if item.address_kind is AddressKind.IPV4 else RecordType.CNAME


def choose_chain_type(args: GlobalEndpointArgs) -> RecordType:
    """Return the type of all names above the regions, which an alias takes from its target: A at the apex, else CNAME.

    It does not depend on the regions; otherwise, adding a region would replace every record.
    """
    return RecordType.A if args.at_apex else RecordType.CNAME


def build_route53_records(args: GlobalEndpointArgs) -> tuple[Record, ...]:
    """Domain → nearest region's entry → the region itself, or by weight one of the others.

    A single region has the same chain without the others, so that a second one adds records and changes none.
    """
    domain, kind = args.traffic.domain, choose_chain_type(args)

    def content(item: EndpointRegion) -> Content:
        return Address(item) if kind is RecordType.A else Canonical(args.regional_name(item))

    records = [
        Record(item.region.dns_label, args.regional_name(item), choose_regional_type(item), Address(item))
        for item in args.regions
    ]
    for item in args.active:
        label = item.region.dns_label
        entry, spill = f"{label}.entry.{domain}", f"{label}.spill.{domain}"
        latency = Latency(item.region.name, item.place)
        first, second = Failover("primary", FailoverRole.PRIMARY), Failover("secondary", FailoverRole.SECONDARY)
        records.append(Record(f"{label}.nearest", domain, kind, Alias(entry), latency))
        records.append(Record(f"{label}.entry.primary", entry, kind, content(item), first, item))
        others = _others(args.regions, item)
        if others:
            records.append(Record(f"{label}.entry.secondary", entry, kind, Alias(spill), second))
        for other in others:
            share = Weighted(other.region.name, other.region.weight)
            key = f"{label}.spill.{other.region.dns_label}"
            records.append(Record(key, spill, kind, content(other), share, other))
    return tuple(records)


def build_traffic_manager_profiles(args: GlobalEndpointArgs) -> tuple[Profile, ...]:
    """Nearest region's profile → the region itself, else one of the others by weight, else the standbys in order.

    A nested profile comes before the one that holds it.
    """
    profiles: list[Profile] = []
    parent: list[ProfileEndpoint] = []
    for item in args.active:
        label = item.region.dns_label
        choices = [_external(args, item, priority=1)]
        others = _others(args.active, item)
        if others:
            spill = tuple(_external(args, other, weight=other.region.weight) for other in others)
            profiles.append(Profile(f"spill-{label}", RoutingMethod.WEIGHTED, spill))
            # No region's label begins with a digit.
            choices.append(ProfileEndpoint("2-others", profile=f"spill-{label}", priority=2))
        choices += [
            _external(args, other, priority=place) for place, other in enumerate(args.standby, start=len(choices) + 1)
        ]
        profiles.append(Profile(f"entry-{label}", RoutingMethod.PRIORITY, tuple(choices)))
        parent.append(ProfileEndpoint(label, profile=f"entry-{label}", location=item.place))
    return (*profiles, Profile("", RoutingMethod.PERFORMANCE, tuple(parent)))


def _others(regions: Sequence[EndpointRegion], item: EndpointRegion) -> list[EndpointRegion]:
    return [other for other in regions if other is not item]


def _external(
    args: GlobalEndpointArgs, item: EndpointRegion, *, weight: int | None = None, priority: int | None = None
) -> ProfileEndpoint:
    return ProfileEndpoint(item.region.dns_label, target=args.regional_name(item), weight=weight, priority=priority)
