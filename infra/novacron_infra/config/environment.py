"""An environment in a cloud, and the secrets of its stack."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.add_ons import AddOns
from novacron_infra.config.sections.alarms import Alarms
from novacron_infra.config.sections.autoscaling import Autoscaling
from novacron_infra.config.sections.base import Name, Section
from novacron_infra.config.sections.budget import Budget
from novacron_infra.config.sections.caches import Caches
from novacron_infra.config.sections.capacity import WorkerCapacity
from novacron_infra.config.sections.clusters import Clusters
from novacron_infra.config.sections.contacts import Contacts
from novacron_infra.config.sections.coordinators import Coordinators
from novacron_infra.config.sections.data import Data
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.model import ModelServing
from novacron_infra.config.sections.model_store import OWN_STORE, StoreKind
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.platform import EnvironmentKind, EnvironmentName, Platform, derive_kind
from novacron_infra.config.sections.regions import Region, find_primary, put_origin_first
from novacron_infra.config.sections.security import Security
from novacron_infra.config.sections.storage import StorageNodes
from novacron_infra.config.sections.targets import Targets
from novacron_infra.config.sections.traffic import Traffic
from novacron_infra.config.sections.workers import Workers
from novacron_infra.tags import OWNER_TAG


@dataclass(frozen=True)
class EnvironmentSecrets:
    """The secrets of a stack, as Pulumi outputs or plain strings. A secret that is None is generated, if it is used."""

    database_password: object | None = field(default=None, repr=False)
    redis_password: object | None = field(default=None, repr=False)
    api_key: object | None = field(default=None, repr=False)
    grafana_password: object | None = field(default=None, repr=False)
    loki_password: object | None = field(default=None, repr=False)
    """Password of `monitoring.logs.loki.username`. It is never generated."""
    database_url: object | None = field(default=None, repr=False)
    """`postgresql://…`, a database that exists, for `platform: kubernetes`. It is never generated."""
    redis_url: object | None = field(default=None, repr=False)
    """`redis://…` or `rediss://…`, a server that exists, for `platform: kubernetes`. It is never generated."""

    @staticmethod
    def config_keys() -> dict[str, str]:
        """Return the configuration key of each secret below `novacron:`, such as `databasePassword`."""
        return {item.name: _to_camel_case(item.name) for item in fields(EnvironmentSecrets)}


class CloudEnvironment(Section):
    """An environment in a cloud. `rules` has the rules between its sections."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    environment: EnvironmentName
    """Name of the environment, such as dev or prod-eu.
    The names of its resources begin with it, so two environments in one account need two names."""
    kind: EnvironmentKind | None = None
    """Kind of the environment, which decides the rules that apply.
    Without it, the kind that a word of the name states, such as dev, test, staging, qa or prod."""
    project: Name = "novacron"
    """Value of the tag `Project` of every resource."""
    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    """Cloud of the environment, which also serves its global DNS.
    A region can be in another cloud: see `regions[].overrides`."""
    accounts: Accounts = Accounts()
    """The cloud accounts that own the resources."""
    contacts: Contacts = Contacts()
    """The team that is responsible for the environment."""
    budget: Budget | None = None
    """The most that the environment may cost. Without it, the plan compares its cost with nothing."""
    alarms: Alarms = Alarms()
    """Where the clouds send alarms. Prod needs a receiver in each of its clouds."""
    security: Security = Security()
    """Threat detection, audit records and admission policies."""
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    """The regions that serve. Their order means nothing."""
    primary: Name | None = None
    """Name of the primary region: its model store has the name `model.store.bucket`, and models are replicated from it.
    Without it, the region with the highest weight; of several, the first by name."""
    tags: dict[Name, Name] = {}  # noqa: RUF012 - pydantic copies the default of a field
    """Tags of every resource, such as `owner: search-team`; labels on Google Cloud.
    The environment adds Environment, Project and Component."""
    protected: bool = True
    """Whether to protect resources that cannot be recreated (keys, models, databases, images) from deletion.
    Set it to false before you destroy the stack."""
    clusters: Clusters
    """The Kubernetes cluster of each region."""
    add_ons: AddOns = AddOns()
    """The controllers in each cluster, with `clusters.add_ons`."""
    coordinators: Coordinators
    """The coordinators: the processes that clients talk to."""
    workers: Workers
    """The workers: the processes that hold the model."""
    storage: StorageNodes | None = None
    """The storage nodes. Without it, the environment has none."""
    model: ModelServing
    """The model, and how it is served."""
    targets: Targets
    """The latency, throughput, quality and availability that the environment promises."""
    autoscaling: Autoscaling | None = None
    """When workers are added and removed. Without it, the number of workers stays at `workers.count`."""
    caches: Caches = Caches()
    """The three levels of the response cache in each region."""
    monitoring: Monitoring = Monitoring()
    """Metrics, dashboards, traces and logs."""
    data: Data = Data()
    """Postgres and Redis of each region."""
    images: Images = Images()
    """The container images of the serving stack."""
    traffic: Traffic | None = None
    """Global DNS. Needed by an environment with more than one region."""
    secrets: SkipJsonSchema[EnvironmentSecrets] = Field(default=EnvironmentSecrets(), exclude=True, repr=False)

    @property
    def effective_kind(self) -> EnvironmentKind:
        """The kind that is stated, or else derived from the name."""
        # `check_environment` rejects an environment whose name states none.
        return self.kind or derive_kind(self.environment) or EnvironmentKind.PRODUCTION

    @property
    def primary_region(self) -> Region:
        """The region that models are replicated from."""
        return find_primary(self.regions, self.primary)

    @property
    def resource_tags(self) -> dict[str, str]:
        """The tags of every resource that the configuration states: `tags`, and the owner."""
        return self.tags if self.contacts.team is None else {**self.tags, OWNER_TAG: self.contacts.team}

    @property
    def threat_alert_emails(self) -> tuple[str, ...]:
        """The addresses that get the findings of threat detection."""
        stated = self.security.threat_detection.alert_emails
        return self.contacts.emails if stated is None else stated

    def put_in_order(self) -> CloudEnvironment:
        """Return the environment with its regions and zones in an order that does not depend on the file's.

        The primary region is the first; the others follow by weight, and those of the same weight by name. The first
        zone of a region is the preferred one; the others follow by name.
        """
        primary = self.primary_region.name
        regions = [region.put_in_order() for region in self.regions]
        regions.sort(key=lambda region: (region.name != primary, -region.weight, region.name))
        return self.model_copy(update={"regions": tuple(regions)})

    def list_regions(self, platform: Platform) -> list[Region]:
        """Return the regions in `platform`, the one that models are replicated from first (`put_origin_first`)."""
        regions = (region for region in self.regions if region.find_platform(self.platform) is platform)
        return put_origin_first(regions, self.primary_region.name)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The clouds that have regions, in the order of the regions."""
        return tuple(dict.fromkeys(region.find_platform(self.platform) for region in self.regions))

    def list_buckets(self, platform: Platform) -> dict[str, str | None]:
        """Return the name of the model store of each region in `platform`, by the region's name.

        The names are written as `model.store.bucket`. A name is None where a file system is created.
        """
        primary = self.primary_region.name
        return {
            region.name: region.overrides.bucket
            if region.overrides
            else region.bucket or self.model.store.bucket_in(region.name, primary)
            for region in self.regions
            if region.find_platform(self.platform) is platform
        }

    def store_kind(self, region: Region) -> StoreKind:
        """Return the kind of the region's model store."""
        if region.overrides is None:
            return self.model.store.kind
        return region.overrides.store_kind or OWN_STORE[region.overrides.platform]

    def find_capacity(self, region: Region) -> WorkerCapacity:
        """Return how the machines of a region's workers are bought."""
        return region.worker_capacity or self.workers.capacity

    def list_admins(self, region: Region) -> tuple[str, ...]:
        """Return the administrators of the region's cluster, as its cloud names them."""
        return region.overrides.admins if region.overrides else self.clusters.admins


def _to_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
