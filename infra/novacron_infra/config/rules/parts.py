"""The valid parts of a cloud environment. The rules between parts read them."""

from __future__ import annotations

from typing import TypedDict

from novacron_infra.catalog import Cloud
from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.add_ons import AddOns
from novacron_infra.config.sections.alarms import Alarms
from novacron_infra.config.sections.autoscaling import Autoscaling
from novacron_infra.config.sections.budget import Budget
from novacron_infra.config.sections.caches import Caches
from novacron_infra.config.sections.clusters import Clusters
from novacron_infra.config.sections.contacts import Contacts
from novacron_infra.config.sections.coordinators import Coordinators
from novacron_infra.config.sections.data import Data
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.model import ModelServing
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.platform import EnvironmentKind, Platform, derive_kind
from novacron_infra.config.sections.regions import Region, find_primary, put_origin_first
from novacron_infra.config.sections.security import Security
from novacron_infra.config.sections.storage import StorageNodes
from novacron_infra.config.sections.targets import Targets
from novacron_infra.config.sections.traffic import Traffic
from novacron_infra.config.sections.workers import Workers


class Parts(TypedDict, total=False):
    """The fields of a cloud environment that are valid. A field that is not here already has a problem of its own."""

    environment: str
    kind: EnvironmentKind | None
    project: str
    platform: Platform
    accounts: Accounts
    contacts: Contacts
    budget: Budget | None
    alarms: Alarms
    security: Security
    regions: tuple[Region, ...]
    primary: str | None
    tags: dict[str, str]
    clusters: Clusters
    add_ons: AddOns
    coordinators: Coordinators
    workers: Workers
    storage: StorageNodes | None
    model: ModelServing
    targets: Targets
    autoscaling: Autoscaling | None
    caches: Caches
    monitoring: Monitoring
    data: Data
    images: Images
    traffic: Traffic | None


def find_kind(parts: Parts) -> EnvironmentKind | None:
    """Return the kind of the environment, or None when it is neither stated nor part of the name."""
    return parts.get("kind") or derive_kind(parts.get("environment", ""))


def find_cloud(parts: Parts, region: Region) -> Cloud | None:
    """Return the cloud that a region is in, or None when the environment's platform is not known."""
    platform = parts.get("platform")
    return None if platform is None else Cloud(region.find_platform(platform).value)


def list_clouds(parts: Parts) -> list[Cloud]:
    """Return the clouds that have regions, in the order of the regions."""
    clouds = (find_cloud(parts, region) for region in parts.get("regions", ()))
    return list(dict.fromkeys(cloud for cloud in clouds if cloud is not None))


def list_regions(parts: Parts, cloud: Cloud) -> list[Region]:
    """Return the regions in a cloud, the one that models are replicated from first (`put_origin_first`)."""
    regions = parts.get("regions", ())
    primary = find_primary(regions, parts.get("primary")).name if regions else None
    return put_origin_first((region for region in regions if find_cloud(parts, region) is cloud), primary)
