"""Arguments of a global endpoint: regions in any of the clouds, a probe, and the DNS service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias

import pulumi

from novacron_infra.config import Platform, Traffic, TrafficRegion
from novacron_infra.tags import Tags


class AddressKind(str, Enum):
    """How a region's load balancer is addressed."""

    HOSTNAME = "hostname"
    IPV4 = "ipv4"


class ProbeProtocol(str, Enum):
    """Protocols that all three services can probe with."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"


class CloudDnsRouting(str, Enum):
    """Cloud DNS has weights or nearness for one name, never both.

    WEIGHTED: clients, and those of a dead region, are shared by weight, as the plan assumes; the nearest region is not
    preferred. GEO: clients are served by the nearest region and go to the next nearest when it dies; weights are unused
    and the plan's loads after a loss do not hold.
    """

    WEIGHTED = "weighted"
    GEO = "geo"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """The question that a healthy region answers; how often and how patiently is in `traffic.health_check`."""

    protocol: ProbeProtocol = ProbeProtocol.HTTPS
    port: int = 443
    path: str | None = None
    """HTTP and HTTPS: a path that returns 200 while the region can serve, such as the coordinator's /ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointRegion:
    """A region that can answer."""

    region: TrafficRegion
    """Name, DNS label and weight of the configuration. Weight 0: a standby, served when all others are dead."""
    platform: Platform
    """The region's cloud, which need not be the one that answers DNS."""
    address: pulumi.Input[str]
    """Host name or IPv4 address of the region's load balancer."""
    address_kind: AddressKind
    nearest: str | None = None
    """The region of the answering cloud that is nearest; none: `region.name`, which must then be one of its own."""

    @property
    def place(self) -> str:
        """Where its clients are, as a region of the answering cloud."""
        return self.nearest or self.region.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Route53:
    """Route 53 answers: nearest region first, the others by weight."""

    platform: ClassVar[Platform] = Platform.AWS
    zone_name: str
    """The hosted zone that holds the domain."""
    zone_id: pulumi.Input[str] | None = None
    """Id of an existing zone. None: the endpoint creates one."""
    protect_zone: bool = True
    """False: the zone may be deleted, with every name in it."""
    dnssec: bool = False
    """Whether a created zone is signed. The provider's region has to be us-east-1."""
    query_logs: bool = False
    """Whether the queries for a created zone are logged. The provider's region has to be us-east-1."""
    drain_switch: bool = False
    """One ARC routing control per region, to take it out of all answers through ARC's data plane.

    New ones are off, and while all are off all regions are served, dead ones too: turn them on first. A cluster is
    billed by the hour, used or not; `cluster_arn` shares one that exists.
    """
    cluster_arn: pulumi.Input[str] | None = None
    """ARN of an existing ARC cluster. None: with `drain_switch`, the endpoint creates one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudDns:
    """Cloud DNS answers, with IPv4 addresses only: it probes no host names in public zones."""

    platform: ClassVar[Platform] = Platform.GCP
    zone_name: str
    """DNS name of the managed zone that holds the domain."""
    managed_zone: pulumi.Input[str] | None = None
    """Name of a managed zone that exists; none: it is made."""
    protect_zone: bool = True
    """False: the zone may be deleted, with every name in it."""
    dnssec: bool = False
    """Whether a created zone is signed."""
    query_logs: bool = False
    """Whether the queries for a created zone are logged, in Cloud Logging."""
    routing: CloudDnsRouting = CloudDnsRouting.WEIGHTED
    probe_regions: tuple[str, ...] = ("us-central1", "europe-west1", "asia-southeast1")
    """The Google Cloud regions that probe: exactly three."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficManager:
    """Traffic Manager answers for a name in an Azure DNS zone: nearest region first, the others by weight."""

    platform: ClassVar[Platform] = Platform.AZURE
    zone_name: str
    """The Azure DNS zone that holds the domain."""
    resource_group_name: pulumi.Input[str]
    """Resource group of the profiles and the zone."""
    relative_name: str
    """Name below trafficmanager.net, unique in the world; the nested profiles' names begin with it."""
    create_zone: bool = True
    """False: the zone exists in the resource group."""
    dnssec: bool = False
    """Whether a created zone is signed."""
    protect_zone: bool = True
    """False: the zone may be deleted, with every name in it."""


DnsService: TypeAlias = Route53 | CloudDns | TrafficManager


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalEndpointArgs:
    """One name for all regions, and one for each."""

    traffic: Traffic
    """The configuration's section: domain, TTL, recovery target, how often and how patiently regions are probed."""
    regions: tuple[EndpointRegion, ...]
    service: DnsService
    probe: Probe
    failover: bool = True
    """False says of a single region that nothing takes over from it."""
    tags: Tags | None = None
    """Tags of the zone, the probes and the profiles; labels in lower case on Google Cloud."""

    @property
    def active(self) -> tuple[EndpointRegion, ...]:
        """The regions that share the traffic."""
        return tuple(item for item in self.regions if item.region.weight > 0)

    @property
    def standby(self) -> tuple[EndpointRegion, ...]:
        """The regions that wait until all others are dead."""
        return tuple(item for item in self.regions if item.region.weight == 0)

    @property
    def at_apex(self) -> bool:
        """The domain is the zone's own name, where a CNAME cannot be."""
        return self.traffic.domain == self.service.zone_name

    def tagged(self, **own: str) -> dict[str, str]:
        """The tags of a resource, and its own."""
        return self.tags.of("dns", **own) if self.tags else own

    def regional_name(self, item: EndpointRegion) -> str:
        """The name that always means this one region, dead or alive."""
        return f"{item.region.dns_label}.{self.traffic.domain}"
