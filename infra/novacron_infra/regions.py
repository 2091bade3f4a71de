"""A region, described once for every cloud: its specification, and what it gives to the rest of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network
from typing import cast

import pulumi

from novacron_infra.config import (
    AddOn,
    AddOns,
    Audit,
    CloudEnvironment,
    Detector,
    Existing,
    Monitoring,
    Platform,
    Region,
    Severity,
)
from novacron_infra.config.sections.add_ons import INSTALLED_PROMETHEUS_URL
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.monitoring import LogDestination, Traces
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.monitoring import PrometheusObjects, plan_monitoring
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.plan.serving import RegionServing, plan_region_serving
from novacron_infra.plan.stores import find_region_store
from novacron_infra.pools import NodePoolShape
from novacron_infra.stores import RegionStore
from novacron_infra.tags import Tags
from novacron_infra.zone_subnets import ZoneSubnets


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisLayout:
    """Shards of a Redis-compatible service, and the replicas of each."""

    shards: int
    replicas_per_shard: int

    @property
    def clustered(self) -> bool:
        """Whether clients have to speak the cluster protocol."""
        return self.replicas_per_shard > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ControllerCharts:
    """The controllers of a cluster that are installed from Helm charts."""

    add_ons: AddOns
    """Every add-on is stated: `AddOns.fill` does it."""
    monitoring: Monitoring
    grafana_password: pulumi.Input[str] | None = None
    """None: it is generated, if Grafana is installed."""
    loki_password: pulumi.Input[str] | None = None
    """None: Loki asks for none."""


POSTGRES_NAME = "novacron"
"""Name of the database, and of the user who owns it, on servers that are created."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionServingSpec:
    """The serving stack of a region, as far as the cloud does not matter."""

    plan: RegionServing
    images: Images
    domain: str | None = None
    """The name that clients use. None: they use the address of the region's load balancer."""
    regional_name: str | None = None
    """The name that always means this region. None without `domain`."""
    admin_key: pulumi.Input[str] | None = None
    """The administrator's API key. None: each region generates its own."""
    prometheus_url: str | None = None
    """Prometheus that KEDA reads metrics from, inside the cluster. None: the number of workers is fixed."""
    monitoring: PrometheusObjects | None = None
    """Monitors, rules and dashboards. None: the cluster has no Prometheus operator."""
    traces: Traces | None = None
    """Where coordinators and workers send their traces. None: there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionThreatDetection:
    """Threat detection of a region, and its alerts."""

    detector: Detector
    """Not `none`: a region without threat detection has none of this."""
    first_region: bool = True
    """Whether this is the primary region, or in another cloud the first by name.

    On Google Cloud it has the alerts of the project."""
    alert_emails: tuple[str, ...] = ()
    minimum_severity: Severity = Severity.MEDIUM


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRegistry:
    """Registry of a region, one that is created or one that exists."""

    url: pulumi.Output[str]
    """Prefix of the names of images. Resolves when images can be pushed and pulled."""
    prefix: pulumi.Input[str]
    """The same, known in a preview where it can be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionSpec:
    """Description of a region in any cloud. Each cloud's arguments add its own values."""

    region: str
    """The cloud's name of the region."""
    zones: tuple[str, ...]
    """Availability zones, the preferred one first. Azure ignores them: its pools name theirs."""
    control_plane_zones: tuple[str, ...] = ()
    """Zones of the control plane on AWS. Empty: all zones."""
    network: IPv4Network
    """Private network of the region."""
    zone_networks: Mapping[str, ZoneSubnets] = field(default_factory=dict[str, ZoneSubnets])
    """On AWS, subnets by zone. A zone that is not here has the part of the network that belongs to its letter."""
    kubernetes_version: str
    """Minor version, such as 1.35."""
    admins: tuple[str, ...]
    """Administrators of the cluster.

    ARNs of roles and users on AWS; `user:`, `group:` or `serviceAccount:` and an address on Google Cloud; object ids of
    groups on Azure.
    """
    pools: Mapping[str, NodePoolShape]
    """Node pools by name; `coordinators` is one of them."""
    store: RegionStore
    """Where the models are."""
    postgres_storage_gib: int
    redis_nodes: int
    """1, or an even number from 6: half of them are primaries, each with one replica."""
    tags: Tags
    protect: bool
    """Whether destroying the stack stops at what cannot be recreated: keys, models, databases, images, the address."""
    public_networks: tuple[IPv4Network, ...] = ()
    """Networks that reach the Kubernetes API over the internet. None: the API is private."""
    models_prefix: str = "models"
    """Folder of the models in the store; empty for the whole store."""
    configuration_prefix: str = "configuration"
    """Folder of the configuration in the store."""
    add_ons: bool = False
    """Whether storage classes, device plugins and `charts` are created in the cluster. `up` has to reach its API."""
    charts: ControllerCharts | None = None
    """The controllers that are installed in the cluster with `add_ons`. None: none are installed."""
    serving: RegionServingSpec | None = None
    """The serving stack, which needs `add_ons`. None: it is not deployed."""
    cloud_logs: bool = False
    """Whether logs of containers go to the cloud's log service. On AWS it needs `charts`; on Google Cloud they do."""
    threat_detection: RegionThreatDetection | None = None
    """Threat detection, and its alerts. None: there is none."""
    existing: Existing = field(default_factory=Existing)
    """Things that exist and are used. Each cloud's `environment` looks it up before anything is declared."""
    audit: Audit = field(default_factory=Audit)
    """Records for auditors."""
    admission_policies: bool = True
    """Whether the cluster enforces the admission policies of its cloud."""

    @property
    def redis(self) -> RedisLayout:
        """How the Redis nodes are split into shards."""
        if self.redis_nodes == 1:
            return RedisLayout(shards=1, replicas_per_shard=0)
        return RedisLayout(shards=self.redis_nodes // 2, replicas_per_shard=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionResults:
    """Results of a region, for the rest of the stack. The fields are those of `novacron_infra.outputs`."""

    platform: Platform
    cluster: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    ingress_address: pulumi.Output[str]
    model_store: pulumi.Output[str]
    worker_identity: pulumi.Output[str]
    postgres_endpoint: pulumi.Output[str]
    postgres_secret: pulumi.Output[str]
    redis_endpoint: pulumi.Output[str]
    registry: pulumi.Output[str]
    endpoint: pulumi.Output[str] | None = None
    namespace: pulumi.Output[str] | None = None
    threat_alerts: pulumi.Output[str] | None = None

    def export(self) -> dict[str, pulumi.Input[str]]:
        """Return the results by name, for stack outputs. Those that are None are left out."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        known = {name: value for name, value in values.items() if value is not None}
        return {**known, "platform": self.platform.value}


def build_region_specs(plan: EnvironmentPlan, platform: Platform, tags: Tags) -> dict[str, RegionSpec]:
    """Return the specification of each region that an environment has in a cloud, by the region's name."""
    config = plan.config
    add_ons = config.add_ons.fill(platform, serving=config.clusters.serving)
    planned = {region.name: region for region in plan.regions}
    logs = config.monitoring.logs
    return {
        region.name: RegionSpec(
            region=region.name,
            zones=region.zones,
            control_plane_zones=region.control_plane_zones,
            network=region.network,
            zone_networks=region.stated_subnets,
            kubernetes_version=config.clusters.version,
            admins=config.list_admins(region),
            pools=plan_node_pools(plan, planned[region.name], region.zones),
            store=find_region_store(config, region),
            postgres_storage_gib=config.data.postgres_storage_gib,
            redis_nodes=config.data.redis_nodes,
            tags=tags,
            protect=config.protected,
            public_networks=config.clusters.public_networks,
            models_prefix=config.model.store.prefix,
            configuration_prefix=config.model.store.configuration_prefix,
            add_ons=config.clusters.add_ons,
            charts=ControllerCharts(
                add_ons=add_ons,
                monitoring=config.monitoring,
                grafana_password=cast("pulumi.Input[str] | None", config.secrets.grafana_password),
                loki_password=cast("pulumi.Input[str] | None", config.secrets.loki_password),
            ),
            serving=_build_serving_spec(plan, planned[region.name], region, add_ons),
            cloud_logs=logs is not None and logs.destination is LogDestination.CLOUD,
            threat_detection=_describe_threat_detection(config, platform, region),
            existing=region.existing,
            audit=config.security.audit,
            admission_policies=config.security.admission_policies,
        )
        for region in config.list_regions(platform)
    }


def _describe_threat_detection(
    config: CloudEnvironment, platform: Platform, region: Region
) -> RegionThreatDetection | None:
    settings = config.security.threat_detection
    if settings.choose(platform) is Detector.NONE:
        return None
    first, *_ = config.list_regions(platform)
    return RegionThreatDetection(
        detector=settings.choose(platform),
        first_region=region.name == first.name,
        alert_emails=config.threat_alert_emails,
        minimum_severity=settings.minimum_severity,
    )


def _build_serving_spec(
    plan: EnvironmentPlan, region_plan: RegionPlan, region: Region, add_ons: AddOns
) -> RegionServingSpec | None:
    config = plan.config
    if not config.clusters.serving:
        return None
    domain = config.traffic.domain if config.traffic else None
    gpus_per_node = next(item.machine.gpu_count for item in region_plan.machines if item.role == "workers")
    return RegionServingSpec(
        plan=plan_region_serving(plan, region_plan),
        images=config.images,
        domain=domain,
        regional_name=None if domain is None else f"{region.dns_label}.{domain}",
        admin_key=cast("pulumi.Input[str] | None", config.secrets.api_key),
        prometheus_url=_find_prometheus(config, add_ons),
        monitoring=plan_monitoring(add_ons, config.targets.serving, config.monitoring, gpus_per_node),
        traces=config.monitoring.traces,
    )


def _find_prometheus(config: CloudEnvironment, add_ons: AddOns) -> str | None:
    """Return the address of Prometheus for KEDA. None: workers are not scaled."""
    if config.autoscaling is None or add_ons.keda is AddOn.NONE:
        return None
    installed = INSTALLED_PROMETHEUS_URL if add_ons.monitoring is AddOn.INSTALL else None
    return config.autoscaling.prometheus_url or installed
