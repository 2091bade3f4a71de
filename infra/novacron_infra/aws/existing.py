"""Lookups of everything that exists of the regions on AWS, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi_aws as aws

from novacron_infra.aws.existing_bucket import check_bucket
from novacron_infra.aws.existing_cluster import AwsClusterCheck
from novacron_infra.aws.existing_databases import AwsDatabaseCheck
from novacron_infra.aws.existing_key import check_key
from novacron_infra.aws.existing_network import AwsNetworkCheck
from novacron_infra.aws.existing_registry import check_registry
from novacron_infra.aws.region_parts import find_existing
from novacron_infra.catalog import Cloud
from novacron_infra.existing import Lookups, check_regions
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingS3Store, S3Store


def check_existing(specs: Mapping[str, RegionSpec], providers: Mapping[str, aws.Provider]) -> None:
    """Look up everything that exists of the regions; the arguments and the error are those of `check_regions`."""
    buckets = [name for name, spec in specs.items() if isinstance(spec.store, S3Store | ExistingS3Store)]

    def look_up(spec: RegionSpec, lookups: Lookups) -> None:
        _look_up(spec, lookups, replicated=spec.region in buckets[1:])

    check_regions(Cloud.AWS, specs, providers, look_up)


def _look_up(spec: RegionSpec, lookups: Lookups, *, replicated: bool) -> None:
    existing = find_existing(spec)
    if existing.network is not None:
        AwsNetworkCheck(
            lookups=lookups,
            existing=existing.network,
            region=spec.region,
            network=spec.network,
            pools=spec.pools,
        ).run()
    if isinstance(spec.store, ExistingS3Store):
        check_bucket(lookups, spec.store, spec.region, replicated=replicated)
    if existing.registry is not None:
        check_registry(lookups, existing.registry)
    if existing.key_arn is not None:
        check_key(lookups, existing.key_arn, spec.region, events=spec.threat_detection is not None)
    if existing.network is not None and existing.cluster is not None:
        AwsClusterCheck(lookups=lookups, cluster=existing.cluster, vpc_id=existing.network.vpc_id, spec=spec).run()
    if existing.network is not None:
        databases = AwsDatabaseCheck(lookups=lookups, region=spec.region, vpc_id=existing.network.vpc_id)
        if existing.postgres is not None:
            databases.check_postgres(existing.postgres)
        if existing.redis is not None:
            databases.check_redis(existing.redis)
