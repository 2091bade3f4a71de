"""Parts of a region that are created, unless they exist: then their ids come from `existing` of the region.

The rest of the region uses either in the same way. `existing` has the lookups of what exists.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.keys import AwsKeys, AwsKeysArgs, KeyUse
from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs, AwsNetworkIds, declare_fabric_group
from novacron_infra.aws.registry import AwsRegistry, AwsRegistryArgs, make_registry_url
from novacron_infra.aws.storage import AwsBucket, AwsEfs, AwsEfsArgs
from novacron_infra.config import ExistingAws
from novacron_infra.regions import ImageRegistry, RegionSpec
from novacron_infra.stores import ExistingEfsStore, ExistingS3Store, NewEfsStore


def find_existing(spec: RegionSpec) -> ExistingAws:
    """Return what exists of a region on AWS."""
    return spec.existing.aws or ExistingAws()


def declare_keys(
    name: str, spec: RegionSpec, account_id: str | None, opts: pulumi.ResourceOptions
) -> dict[KeyUse, pulumi.Output[str]]:
    """Declare the region's keys, and return their ARNs. One that exists takes the place of all, which are not made.

    Without a cluster of its own, the region has no key for the secrets of one.
    """
    existing = find_existing(spec).key_arn
    if existing is not None:
        return {use: pulumi.Output.from_input(existing) for use in KeyUse}
    args = AwsKeysArgs(
        region=spec.region,
        tags=spec.tags,
        protect=spec.protect,
        account_id=account_id,
        cluster=find_existing(spec).cluster is None,
        events=spec.threat_detection is not None,
    )
    return {use: key.arn for use, key in AwsKeys(name, args, opts).keys.items()}


def declare_network(
    name: str,
    spec: RegionSpec,
    logs_key_arn: pulumi.Input[str],
    account_id: str | None,
    opts: pulumi.ResourceOptions,
) -> AwsNetworkIds:
    """Declare the region's network, or in one that exists only the security group of EFA."""
    existing = find_existing(spec).network
    if existing is None:
        args = AwsNetworkArgs(
            region=spec.region,
            zones=spec.zones,
            cidr=spec.network,
            zone_networks=spec.zone_networks,
            logs_key_arn=logs_key_arn,
            tags=spec.tags,
            account_id=account_id,
        )
        return AwsNetwork(name, args, opts).ids
    group = declare_fabric_group(name, existing.vpc_id, spec.tags.of("network", Name=f"{name}-fabric"), opts)
    return AwsNetworkIds(
        vpc_id=existing.vpc_id,
        private_subnet_ids={zone: existing.private_subnets[zone] for zone in sorted(spec.zones)},
        public_subnet_ids={zone: existing.public_subnets[zone] for zone in sorted(spec.zones)},
        fabric_security_group_id=group.id,
    )


def find_bucket(store: ExistingS3Store, opts: pulumi.ResourceOptions) -> AwsBucket:
    """Return a bucket that exists. Nothing is declared."""
    partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=opts.parent)).partition
    arn = pulumi.Output.format("arn:{0}:s3:::{1}", partition, store.bucket)
    return AwsBucket(name=store.bucket, arn=arn, key_arn=store.key_arn)


def declare_files(
    name: str,
    spec: RegionSpec,
    store: NewEfsStore | ExistingEfsStore,
    network: AwsNetworkIds,
    security_group_id: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> AwsEfs:
    """Declare the region's file system, or of one that exists only the mount targets."""
    args = AwsEfsArgs(
        subnet_ids=network.private_subnet_ids,
        security_group_id=security_group_id,
        key_arn=key_arn,
        tags=spec.tags,
        existing_id=store.file_system_id if isinstance(store, ExistingEfsStore) else None,
        replica=isinstance(store, NewEfsStore) and store.replica,
        protect=spec.protect,
    )
    return AwsEfs(f"{name}-models", args, opts)


def declare_registry(
    name: str,
    spec: RegionSpec,
    key_arn: pulumi.Input[str],
    account_id: str | None,
    opts: pulumi.ResourceOptions,
) -> ImageRegistry:
    """Declare the region's registry. For one that exists, nothing is declared."""
    existing, prefix = find_existing(spec).registry, spec.tags.environment.lower()
    if existing is not None:
        return ImageRegistry(url=pulumi.Output.from_input(existing), prefix=existing)
    args = AwsRegistryArgs(key_arn=key_arn, prefix=prefix, tags=spec.tags, protect=spec.protect)
    url = AwsRegistry(f"{name}-images", args, opts).url
    return ImageRegistry(
        url=url, prefix=url if account_id is None else make_registry_url(account_id, spec.region, prefix)
    )
