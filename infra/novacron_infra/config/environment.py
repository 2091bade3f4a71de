"""CloudEnvironment: dev, staging and prod on a cloud. The rules between its parts are in `rules`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.alarms import Alarms
from novacron_infra.config.sections.autoscaling import Autoscaling
from novacron_infra.config.sections.base import Name, Section
from novacron_infra.config.sections.caches import Caches
from novacron_infra.config.sections.clusters import Clusters
from novacron_infra.config.sections.coordinators import Coordinators
from novacron_infra.config.sections.data import Data
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.model import ModelServing
from novacron_infra.config.sections.model_store import OWN_STORE, StoreKind
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.platform import EnvironmentName, Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.storage import StorageNodes
from novacron_infra.config.sections.targets import Targets
from novacron_infra.config.sections.traffic import Traffic
from novacron_infra.config.sections.workers import Workers


@dataclass(frozen=True)
class EnvironmentSecrets:
    """Secrets of the stack: Pulumi outputs or plain strings. None means: to be generated, never a default."""

    database_password: object | None = field(default=None, repr=False)
    redis_password: object | None = field(default=None, repr=False)
    api_key: object | None = field(default=None, repr=False)
    grafana_password: object | None = field(default=None, repr=False)

    @staticmethod
    def config_keys() -> dict[str, str]:
        """The key below `novacron:` that may hold each of them: `database_password` in `databasePassword`."""
        return {item.name: _camel(item.name) for item in fields(EnvironmentSecrets)}


class CloudEnvironment(Section):
    """An environment on a cloud."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    environment: EnvironmentName
    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    """The cloud, whose DNS answers; a region may be elsewhere."""
    accounts: Accounts = Accounts()
    alarms: Alarms = Alarms()
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    """The first is the primary."""
    tags: dict[Name, Name] = {}  # noqa: RUF012 - a field's default, which pydantic copies
    """Tags of every resource beside Environment, Project and Component, such as an owner; labels on Google Cloud."""
    protected: bool = True
    """Whether destroying the stack stops at what cannot be made again: keys, models, databases, images."""
    clusters: Clusters
    coordinators: Coordinators
    workers: Workers
    storage: StorageNodes | None = None
    """None: no storage nodes."""
    model: ModelServing
    targets: Targets
    autoscaling: Autoscaling | None = None
    """None: the workers stay as many as they are."""
    caches: Caches = Caches()
    monitoring: Monitoring = Monitoring()
    data: Data = Data()
    images: Images = Images()
    traffic: Traffic | None = None
    """Global DNS; needed by two regions and more."""
    secrets: SkipJsonSchema[EnvironmentSecrets] = Field(default=EnvironmentSecrets(), exclude=True, repr=False)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The clouds that have regions; the environment's own comes first."""
        return tuple(dict.fromkeys(region.platform(self.platform) for region in self.regions))

    def buckets(self, platform: Platform) -> dict[str, str | None]:
        """The model store of each region that is in that cloud, by the region's name.

        Written as `model.store.bucket` is; None: a file system that is made.
        """
        primary = self.regions[0].name
        return {
            region.name: region.overrides.bucket
            if region.overrides
            else region.bucket or self.model.store.bucket_in(region.name, primary)
            for region in self.regions
            if region.platform(self.platform) is platform
        }

    def store_kind(self, region: Region) -> StoreKind:
        """What kind of model store the region has."""
        if region.overrides is None:
            return self.model.store.kind
        return region.overrides.store_kind or OWN_STORE[region.overrides.platform]

    def admins(self, region: Region) -> tuple[str, ...]:
        """Who administrates the region's cluster, as its cloud names them."""
        return region.overrides.admins if region.overrides else self.clusters.admins


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
