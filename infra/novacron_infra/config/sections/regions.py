"""`regions`: the regions that serve, and what a region in another cloud overrides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section
from novacron_infra.config.sections.model_store import StoreKind
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.workers import WorkerCounts


class RegionOverrides(Section):
    """Values of a region that is in another cloud than the environment."""

    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    """The region's cloud."""
    nearest: Name
    """The region of the environment's cloud, whose DNS answers, that is nearest to it."""
    coordinators: Name
    """A machine of that cloud."""
    workers: Name
    """A machine of that cloud with the GPUs of `workers.machine`: a worker is the same everywhere."""
    storage: Name | None = None
    """A machine of that cloud; needed where there are storage nodes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Who administrates the cluster, as that cloud names them."""
    store_kind: StoreKind | None = None
    """None: that cloud's object storage. Or nfs, on AWS also efs, as in `model.store`."""
    bucket: Name | None = None
    """The region's own model store, written as in `model.store`; only nfs and efs can do without. Models get there as
    `model.store` gets them: nothing here copies between clouds."""


class Region(Section):
    """A region that serves; the first is the primary."""

    name: Name
    """The cloud's name of the region."""
    new: bool = False
    """Whether the cloud has opened it since the catalogue's list of its regions was made."""
    dns_label: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$")]
    """Regional name below the domain."""
    weight: Annotated[int, Field(ge=0, le=255)]
    """Share of the traffic, relative to the other regions; 0: none, until others are dead."""
    zones: tuple[Name, ...] = ()
    """Availability zones, the preferred one first: workers whose replicas span nodes all stand there. AWS needs two or
    three, Google one or more, Azure none."""
    network: Name | None = None
    """The private IPv4 network of the region, such as 10.0.0.0/16: needed, and each region has its own."""
    bucket: Name | None = None
    """nfs, efs: what exists in this region, server:/export or the file system's id; none: as `model.store` has it. Of
    the first region `model.store.bucket` says it, of one in another cloud `overrides.bucket`."""
    workers: WorkerCounts | None = None
    """Of the environment's workers; none: by weight, in whole machines. Every region has it or none."""
    overrides: RegionOverrides | None = None
    """For a region of another cloud than the environment's."""

    def platform(self, environment: Platform) -> Platform:
        """Return the region's cloud, given the cloud of its environment."""
        return self.overrides.platform if self.overrides else environment

    def machine(self, role: str, environment: str) -> str | None:
        """Return the region's machine for `role`, or None when its overrides name none.

        Args:
            role: `coordinators`, `workers` or `storage`.
            environment: the environment's own machine for that role.
        """
        own: str | None = getattr(self.overrides, role) if self.overrides else environment
        return own
