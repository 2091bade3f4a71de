"""The Azure regions of an environment, each with its own provider, and the replication between them."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure_native

from novacron_infra.azure.existing import check_existing
from novacron_infra.azure.region import AzureRegion, AzureRegionArgs
from novacron_infra.azure.replication import (
    MOST_REPLICAS,
    AzureModelReplication,
    AzureModelReplicationArgs,
    ReplicaArgs,
)
from novacron_infra.azure.threat_detection import AzureThreatDetection, AzureThreatDetectionArgs
from novacron_infra.config import CloudEnvironment, Detector, Platform
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.regions import build_region_specs
from novacron_infra.stores import ExistingBlobStore
from novacron_infra.tags import Tags


def declare_regions(plan: EnvironmentPlan, tags: Tags) -> dict[str, AzureRegion]:
    """Declare the environment's regions on Azure, and return them by name.

    Models and configuration are replicated from the primary region to two others, by name.

    Raises:
        ConfigurationError: with everything that exists and lacks what a region needs.
        ArgumentError: with everything that a component refuses.
    """
    config = plan.config
    subscription = config.accounts.require_azure_subscription_id()
    specs = build_region_specs(plan, Platform.AZURE, tags)
    providers = {
        name: azure_native.Provider(f"{tags.environment}-{name}", subscription_id=subscription) for name in specs
    }
    check_existing(specs, providers)
    regions = {
        name: AzureRegion(
            f"{tags.environment}-{name}",
            AzureRegionArgs(spec=spec, subscription_id=subscription),
            pulumi.ResourceOptions(providers=[providers[name]]),
        )
        for name, spec in specs.items()
    }
    _replicate_containers(config, tags, regions, providers)
    _declare_threat_detection(config, tags, regions, providers)
    return regions


def _declare_threat_detection(
    config: CloudEnvironment, tags: Tags, regions: dict[str, AzureRegion], providers: dict[str, azure_native.Provider]
) -> None:
    settings = config.security.threat_detection
    if settings.azure is not Detector.MANAGED:
        return
    first = next(iter(regions))
    AzureThreatDetection(
        f"{tags.environment}-threats",
        AzureThreatDetectionArgs(
            region=first,
            tags=tags,
            minimum_severity=settings.minimum_severity,
            alert_emails=config.threat_alert_emails,
        ),
        pulumi.ResourceOptions(providers=[providers[first]]),
    )


def _replicate_containers(
    config: CloudEnvironment, tags: Tags, regions: dict[str, AzureRegion], providers: dict[str, azure_native.Provider]
) -> None:
    stores = {name: region.store for name, region in regions.items() if region.store is not None}
    # A rule of replication is a part of both accounts, and an account that exists is not changed.
    primary = next(iter(regions.values()))
    if len(stores) < 2 or isinstance(primary.spec.store, ExistingBlobStore):
        return
    source, *others = stores
    replicated, not_replicated = others[:MOST_REPLICAS], others[MOST_REPLICAS:]
    if not_replicated:
        pulumi.log.warn(
            f"models and configuration are not replicated to {', '.join(not_replicated)}: Azure replicates a container "
            f"to {MOST_REPLICAS} others"
        )
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
                for name in replicated
            },
            tags=tags,
            prefix=config.model.store.model_names,
            configuration_prefix=config.model.store.configuration_names,
            alarm_action_group_ids=config.alarms.azure_action_groups,
        ),
        pulumi.ResourceOptions(providers=[providers[source]]),
    )
