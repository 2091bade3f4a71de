"""`regions`: the regions that serve, and what a region in another cloud overrides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section, TextPattern
from novacron_infra.config.sections.capacity import WorkerCapacity
from novacron_infra.config.sections.existing import Existing
from novacron_infra.config.sections.hardware import Role
from novacron_infra.config.sections.model_store import StoreKind
from novacron_infra.config.sections.networks import RegionNetwork, ZoneNetwork
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.workers import WorkerCounts
from novacron_infra.zone_subnets import ZoneSubnets

DnsLabel = Annotated[
    str,
    TextPattern(
        r"[a-z]([a-z0-9-]*[a-z0-9])?",
        "a DNS label has lower-case letters, digits and hyphens, starts with a letter and does not end with a hyphen",
        "us-west",
    ),
]


class RegionOverrides(Section):
    """Values of a region that is in another cloud than the environment."""

    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    """Cloud of the region."""
    nearest: Name
    """Region of the environment's cloud that is nearest to this one. The DNS service of that cloud routes by it."""
    coordinators: Name
    """Machine type of the coordinators in this cloud, a name from the catalogue."""
    workers: Name
    """Machine type of the workers in this cloud, a name from the catalogue.
    It must have the same GPUs as `workers.machine`, because workers are the same in every region."""
    storage: Name | None = None
    """Machine type of the storage nodes in this cloud. Needed where the environment has storage nodes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Administrators of the cluster, as this cloud names them: see `clusters.admins`."""
    store_kind: StoreKind | None = None
    """Kind of the region's model store: `nfs`, or `efs` on AWS. Without it, the object storage of this cloud."""
    bucket: Name | None = None
    """Name of the region's model store, written as `model.store.bucket`.
    Needed for buckets. Models are not replicated between clouds: upload them to this store as well."""


class TrafficRegion(Section):
    """A region as DNS sees it."""

    name: Name
    """Name of the region, as its cloud writes it."""
    dns_label: DnsLabel
    """Label of the region below the domain: `us-west` becomes us-west.api.example.com."""
    weight: Annotated[int, Field(ge=0, le=255)]
    """Share of the traffic, relative to the weights of the other regions.
    With 0 the region is a standby, which gets traffic only when every other region is dead."""


class ZoneNetworks(Section):
    """The networks of one zone on AWS, for a region whose zones do not have those that their letters give them."""

    nodes: ZoneNetwork
    """Network of the zone's nodes and pods, a part of the region's `network`."""
    load_balancers: ZoneNetwork
    """Network of the zone's load balancer and NAT gateway, another part of the region's `network`."""


class Region(TrafficRegion):
    """A region that serves."""

    new: bool = False
    """Whether the cloud opened the region after the catalogue's list of regions was made."""
    zones: tuple[Name, ...] = ()
    """Availability zones, in any order. AWS needs 2 or 3 zones, Google Cloud 1 to 3, Azure up to 3."""
    preferred_zone: Name | None = None
    """Zone that gets what only one zone can have.
    These are replicas that span several nodes, Filestore, and nodes that cannot be shared evenly. Without it, the first
    of `zones` by name."""
    control_plane_zones: tuple[Name, ...] = ()
    """Zones of the control plane on AWS, two or more of `zones`. Without it, all of them.
    EKS takes them when it creates the cluster and accepts no other zones later. State the present ones before you add a
    zone."""
    zone_networks: dict[Name, ZoneNetworks] = {}  # noqa: RUF012 - pydantic copies the default of a field
    """Networks of zones on AWS, by the zone's name.
    Without it, each zone has the eighth of `network` that belongs to its letter, so it keeps its addresses when other
    zones are added or removed."""
    network: RegionNetwork
    """Private IPv4 network of the region, /16 to /20, such as 10.0.0.0/16. Each region needs its own."""
    bucket: Name | None = None
    """Name of this region's model store.
    A bucket, or an existing file system where `model.store.kind` is `nfs` (server:/export) or `efs` (its id).
    Without it, buckets are named `model.store.bucket` and the region's name. The primary region uses
    `model.store.bucket`, and a region in another cloud `overrides.bucket`."""
    workers: WorkerCounts | None = None
    """Number of workers in this region.
    State it for every region or for none. Without it, workers are shared by weight, in whole machines."""
    worker_capacity: WorkerCapacity | None = None
    """How the machines of this region's workers are bought, and where they are.
    Without it, `workers.capacity` counts."""
    overrides: RegionOverrides | None = None
    """Values of a region that is in another cloud than the environment."""
    existing: Existing = Existing()
    """Things of the region that exist, by id. NovaCron checks them and uses them, and never changes or deletes them."""

    @property
    def stated_subnets(self) -> dict[str, ZoneSubnets]:
        """The subnets of `zone_networks`, by zone."""
        return {
            zone: ZoneSubnets(nodes=given.nodes, load_balancers=given.load_balancers)
            for zone, given in self.zone_networks.items()
        }

    def put_in_order(self) -> Region:
        """Return the region with its preferred zone first and the other zones by name."""
        zones = sorted(self.zones, key=lambda zone: (zone != self.preferred_zone, zone))
        return self.model_copy(update={"zones": tuple(zones)})

    def find_platform(self, environment: Platform) -> Platform:
        """Return the region's cloud, given the cloud of its environment."""
        return self.overrides.platform if self.overrides else environment

    def choose_machine(self, role: Role, environment: str) -> str | None:
        """Return the region's machine for a role, or None when its overrides name none.

        Args:
            role: the key of the role.
            environment: the environment's own machine for that role.
        """
        if self.overrides is None:
            return environment
        machines = {
            "coordinators": self.overrides.coordinators,
            "workers": self.overrides.workers,
            "storage": self.overrides.storage,
        }
        return machines[role]


def find_primary(regions: Sequence[Region], stated: str | None) -> Region:
    """Return the primary region, which does not depend on the order of `regions`.

    Without a stated one, it is the region of the environment's own cloud with the highest weight; of several, the first
    by name.
    """
    for region in regions:
        if region.name == stated:
            return region
    own = [region for region in regions if region.overrides is None] or regions
    return min(own, key=lambda region: (-region.weight, region.name))


def put_origin_first(regions: Iterable[Region], primary: str | None) -> list[Region]:
    """Return regions of one cloud, the one that models are replicated from first.

    That is the primary region, or in another cloud than its own the first by name. The others follow by name: weights
    change too often to decide what a region has.
    """
    return sorted(regions, key=lambda region: (region.name != primary, region.name))
