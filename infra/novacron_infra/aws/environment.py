"""The AWS regions of an environment, each with its own provider, and the replication between them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.existing import check_existing
from novacron_infra.aws.file_replication import AwsFileReplication, AwsFileReplicationArgs
from novacron_infra.aws.region import AwsRegion, AwsRegionArgs, DevicePluginImages
from novacron_infra.aws.replication import AwsModelReplication, AwsModelReplicationArgs, ReplicaArgs
from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.generated import generate_secret
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.stores import find_efs_replication
from novacron_infra.regions import build_region_specs
from novacron_infra.tags import Tags


def declare_regions(plan: EnvironmentPlan, tags: Tags) -> dict[str, AwsRegion]:
    """Declare the environment's regions on AWS, and return them by name.

    Models and configuration are replicated from the primary region to the others.

    Raises:
        ConfigurationError: with everything that exists and lacks what a region needs.
        ArgumentError: with everything that a component refuses.
    """
    config = plan.config
    specs = build_region_specs(plan, Platform.AWS, tags)
    account_id = config.accounts.aws_account_id
    providers = {
        # With a known account, the run does not depend on the STS of a region that is down.
        name: aws.Provider(
            f"{tags.environment}-{name}", region=name, skip_credentials_validation=account_id is not None
        )
        for name in specs
    }
    check_existing(specs, providers)
    images = DevicePluginImages(
        nvidia=config.images.nvidia_device_plugin.reference, efa=config.images.efa_device_plugin.reference
    )
    regions = {
        name: AwsRegion(
            f"{tags.environment}-{name}",
            AwsRegionArgs(
                spec=spec,
                redis_password=_find_redis_password(config, tags, name),
                account_id=account_id,
                device_plugins=images,
            ),
            pulumi.ResourceOptions(providers=[providers[name]]),
        )
        for name, spec in specs.items()
    }
    _replicate_buckets(config, tags, regions, providers)
    _replicate_files(config, tags, regions, providers)
    return regions


def _find_redis_password(config: CloudEnvironment, tags: Tags, region: str) -> pulumi.Output[str]:
    """Return the password of a region's Redis: the stack's secret, or else one that no other region has."""
    given = config.secrets.redis_password
    if given is None:
        return generate_secret(f"{tags.environment}-{region}-redis-password")
    return pulumi.Output.from_input(given).apply(str)


def _replicate_buckets(
    config: CloudEnvironment, tags: Tags, regions: dict[str, AwsRegion], providers: dict[str, aws.Provider]
) -> None:
    stores = {
        name: ReplicaArgs(bucket=region.bucket.name, bucket_arn=region.bucket.arn, key_arn=region.bucket.key_arn)
        for name, region in regions.items()
        # `check_existing` asks for the key of a bucket that receives copies.
        if region.bucket is not None and region.bucket.key_arn is not None
    }
    source, *others = stores or [""]
    # A bucket that exists is not changed, and a rule of replication is a part of its source.
    if not others or regions[source].store is None:
        return
    AwsModelReplication(
        f"{tags.environment}-models",
        AwsModelReplicationArgs(
            source_bucket=stores[source].bucket,
            source_bucket_arn=stores[source].bucket_arn,
            source_key_arn=stores[source].key_arn,
            replicas={name: stores[name] for name in others},
            tags=tags,
            prefix=config.model.store.model_names,
            configuration_prefix=config.model.store.configuration_names,
            alarm_topic_arns=config.alarms.aws_topic_arns,
        ),
        pulumi.ResourceOptions(providers=[providers[source]]),
    )


def _replicate_files(
    config: CloudEnvironment, tags: Tags, regions: dict[str, AwsRegion], providers: dict[str, aws.Provider]
) -> None:
    replication = find_efs_replication(config)
    if replication is None:
        return
    source, replica = (regions[name].files for name in replication)
    if source is None or replica is None:
        return
    AwsFileReplication(
        f"{tags.environment}-files",
        AwsFileReplicationArgs(
            source_id=source.file_system_id,
            replica_id=replica.file_system_id,
            replica_region=replication[1],
            tags=tags,
            alarm_topic_arns=config.alarms.aws_topic_arns,
        ),
        pulumi.ResourceOptions(providers=[providers[replication[0]]]),
    )
