"""Azure's part of an environment: its regions, each with a provider of its own, and the copies between them."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure_native

from novacron_infra.azure.region import AzureRegion, AzureRegionArgs
from novacron_infra.azure.replication import (
    MOST_REPLICAS,
    AzureModelReplication,
    AzureModelReplicationArgs,
    ReplicaArgs,
)
from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.tags import Tags


def declare_regions(config: CloudEnvironment, plan: EnvironmentPlan, tags: Tags) -> dict[str, AzureRegion]:
    """The environment's regions on Azure, by name. Models and configuration are copied from the first to the next two.

    Raises:
        ArgumentError: with everything that one of their parts refuses.
    """
    store, subscription = config.model.store, config.accounts.azure_subscription_id or ""
    buckets = config.buckets(Platform.AZURE)
    providers = {
        name: azure_native.Provider(f"{tags.environment}-{name}", subscription_id=subscription) for name in buckets
    }
    regions = {
        region.name: AzureRegion(
            f"{tags.environment}-{region.name}",
            AzureRegionArgs(
                subscription_id=subscription,
                region=region.name,
                network=region.network or "",
                kubernetes_version=config.clusters.version,
                admins=config.admins(region),
                public_networks=config.clusters.public_networks,
                pools=plan_node_pools(plan, planned, region.zones),
                bucket=buckets[region.name],
                postgres_storage_gib=config.data.postgres_storage_gib,
                redis_nodes=config.data.redis_nodes,
                tags=tags,
                protect=config.protected,
                store_kind=config.store_kind(region),
                prefix=store.prefix,
                in_cluster=config.clusters.add_ons,
            ),
            pulumi.ResourceOptions(providers=[providers[region.name]]),
        )
        for region, planned in zip(config.regions, plan.regions, strict=True)
        if region.name in buckets
    }
    stores = {name: region.store for name, region in regions.items() if region.store is not None}
    (source, *others) = stores or ("",)
    copied, left = others[:MOST_REPLICAS], others[MOST_REPLICAS:]
    if left:
        pulumi.log.warn(
            f"models and configuration are not copied to {', '.join(left)}: Azure copies to {MOST_REPLICAS} others"
        )
    if copied:
        AzureModelReplication(
            f"{tags.environment}-models",
            AzureModelReplicationArgs(
                source_account=stores[source].account.name,
                source_account_id=stores[source].account_id,
                source_container=stores[source].container_name,
                source_resource_group=regions[source].resource_group_name,
                replicas={
                    name: ReplicaArgs(
                        account=stores[name].account.name,
                        account_id=stores[name].account_id,
                        container=stores[name].container_name,
                        resource_group=regions[name].resource_group_name,
                    )
                    for name in copied
                },
                tags=tags,
                prefix=store.model_names,
                configuration_prefix=store.configuration_names,
                alarm_action_group_ids=config.alarms.azure_action_groups,
            ),
            pulumi.ResourceOptions(providers=[providers[source]]),
        )
    return regions
