"""Amazon's part of an environment: its regions, each with a provider of its own, and the copies between them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.file_replication import AwsFileReplication, AwsFileReplicationArgs
from novacron_infra.aws.region import AwsRegion, AwsRegionArgs, DevicePluginImages
from novacron_infra.aws.replication import AwsModelReplication, AwsModelReplicationArgs, ReplicaArgs
from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.generated import generate_secret
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.plan.stores import find_efs_replication
from novacron_infra.tags import Tags


def declare_regions(config: CloudEnvironment, plan: EnvironmentPlan, tags: Tags) -> dict[str, AwsRegion]:
    """The environment's regions on Amazon, by name. Models and configuration are copied from the first to the others.

    Raises:
        ArgumentError: with everything that one of their parts refuses.
    """
    store = config.model.store
    buckets = config.buckets(Platform.AWS)
    copied = find_efs_replication(config)
    password = config.secrets.redis_password
    if password is None:
        password = generate_secret(f"{tags.environment}-redis-password")
    account_id = config.accounts.aws_account_id
    providers = {
        # The account is known: a dead region's STS, which would validate the credentials, must not end the run.
        name: aws.Provider(
            f"{tags.environment}-{name}", region=name, skip_credentials_validation=account_id is not None
        )
        for name in buckets
    }
    images = DevicePluginImages(
        nvidia=config.images.nvidia_device_plugin.reference, efa=config.images.efa_device_plugin.reference
    )
    regions = {
        region.name: AwsRegion(
            f"{tags.environment}-{region.name}",
            AwsRegionArgs(
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
                redis_password=pulumi.Output.from_input(password).apply(str),
                tags=tags,
                protect=config.protected,
                account_id=account_id,
                store_kind=config.store_kind(region),
                replica=copied is not None and copied[1] == region.name,
                in_cluster=images if config.clusters.add_ons else None,
            ),
            pulumi.ResourceOptions(providers=[providers[region.name]]),
        )
        for region, planned in zip(config.regions, plan.regions, strict=True)
        if region.name in buckets
    }
    stores = {name: region.store for name, region in regions.items() if region.store is not None}
    (source, *others) = stores or ("",)
    if others:
        AwsModelReplication(
            f"{tags.environment}-models",
            AwsModelReplicationArgs(
                source_bucket=buckets[source] or "",
                source_bucket_arn=stores[source].bucket_arn,
                source_key_arn=regions[source].storage_key_arn,
                replicas={
                    name: ReplicaArgs(
                        bucket=buckets[name] or "",
                        bucket_arn=stores[name].bucket_arn,
                        key_arn=regions[name].storage_key_arn,
                    )
                    for name in others
                },
                tags=tags,
                prefix=store.model_names,
                configuration_prefix=store.configuration_names,
                alarm_topic_arns=config.alarms.aws_topic_arns,
            ),
            pulumi.ResourceOptions(providers=[providers[source]]),
        )
    files = {name: region.files for name, region in regions.items() if region.files is not None}
    if copied is not None:
        source, replica = copied
        AwsFileReplication(
            f"{tags.environment}-files",
            AwsFileReplicationArgs(
                source_id=files[source].file_system_id,
                replica_id=files[replica].file_system_id,
                replica_region=replica,
                tags=tags,
                alarm_topic_arns=config.alarms.aws_topic_arns,
            ),
            pulumi.ResourceOptions(providers=[providers[source]]),
        )
    return regions
