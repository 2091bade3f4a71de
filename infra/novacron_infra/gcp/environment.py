"""Google's part of an environment: its regions, each with a provider of its own, and the copies between them."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.gcp.region import GcpRegion, GcpRegionArgs
from novacron_infra.gcp.replication import GcpModelReplication, GcpModelReplicationArgs, ReplicaArgs
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.tags import Tags


def declare_regions(config: CloudEnvironment, plan: EnvironmentPlan, tags: Tags) -> dict[str, GcpRegion]:
    """The environment's regions on Google, by name. Models and configuration are copied from the first to the others.

    Raises:
        ArgumentError: with everything that one of their parts refuses.
    """
    store, project = config.model.store, config.accounts.google_project or ""
    buckets = config.buckets(Platform.GCP)
    providers = {name: gcp.Provider(f"{tags.environment}-{name}", project=project, region=name) for name in buckets}
    regions = {
        region.name: GcpRegion(
            f"{tags.environment}-{region.name}",
            GcpRegionArgs(
                project=project,
                region=region.name,
                zones=region.zones,
                network=region.network or "",
                kubernetes_version=config.clusters.version,
                admins=config.admins(region),
                public_networks=config.clusters.public_networks,
                pools=plan_node_pools(plan, planned, region.zones),
                bucket=buckets[region.name],
                prefix=store.prefix,
                configuration_prefix=store.configuration_prefix,
                postgres_storage_gib=config.data.postgres_storage_gib,
                redis_nodes=config.data.redis_nodes,
                postgres_password=_secret(config.secrets.database_password),
                tags=tags,
                protect=config.protected,
                store_kind=config.store_kind(region),
                in_cluster=config.clusters.add_ons,
            ),
            pulumi.ResourceOptions(providers=[providers[region.name]]),
        )
        for region, planned in zip(config.regions, plan.regions, strict=True)
        if region.name in buckets
    }
    stores = {name: region.store for name, region in regions.items() if region.store is not None}
    (source, *others) = stores or ("",)
    if others:
        GcpModelReplication(
            f"{tags.environment}-models",
            GcpModelReplicationArgs(
                project=project,
                source_bucket=stores[source].bucket.name,
                replicas={name: ReplicaArgs(bucket=stores[name].bucket.name) for name in others},
                tags=tags,
                prefix=store.model_names,
                configuration_prefix=store.configuration_names,
                alarm_channels=config.alarms.google_channels,
            ),
            pulumi.ResourceOptions(providers=[providers[source]]),
        )
    return regions


def _secret(given: object | None) -> pulumi.Output[str] | None:
    return None if given is None else pulumi.Output.secret(pulumi.Output.from_input(given)).apply(str)
