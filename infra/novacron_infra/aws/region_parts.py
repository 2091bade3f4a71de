"""Parts of a region that are created, unless they exist: then their ids come from `existing` of the region.

The rest of the region uses either in the same way. `existing` has the lookups of what exists.
"""

from __future__ import annotations

import pulumi

from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs, AwsNetworkIds, declare_fabric_group
from novacron_infra.config import ExistingAws
from novacron_infra.regions import RegionSpec


def find_existing(spec: RegionSpec) -> ExistingAws:
    """Return what exists of a region on AWS."""
    return spec.existing.aws or ExistingAws()


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
            logs_key_arn=logs_key_arn,
            tags=spec.tags,
            account_id=account_id,
        )
        return AwsNetwork(name, args, opts).ids
    group = declare_fabric_group(name, existing.vpc_id, spec.tags.of("network", Name=f"{name}-fabric"), opts)
    return AwsNetworkIds(
        vpc_id=existing.vpc_id,
        private_subnet_ids={zone: existing.private_subnets[zone] for zone in spec.zones},
        public_subnet_ids={zone: existing.public_subnets[zone] for zone in spec.zones},
        fabric_security_group_id=group.id,
    )
