"""Lookups of everything that exists of the regions on AWS, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.existing_bucket import check_bucket
from novacron_infra.aws.existing_network import AwsNetworkCheck
from novacron_infra.aws.existing_registry import check_registry
from novacron_infra.aws.region_parts import find_existing
from novacron_infra.existing import Lookups, raise_lookup_problems
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingS3Store, S3Store


def check_existing(specs: Mapping[str, RegionSpec], providers: Mapping[str, aws.Provider]) -> None:
    """Look up everything that exists of the regions.

    Args:
        specs: the regions by name.
        providers: the provider of each.

    Raises:
        ConfigurationError: with everything that is not there, or lacks what a region needs.
    """
    buckets = [name for name, spec in specs.items() if isinstance(spec.store, S3Store | ExistingS3Store)]
    lookups = [_look_up(spec, providers[name], replicated=name in buckets[1:]) for name, spec in specs.items()]
    raise_lookup_problems(lookups)


def _look_up(spec: RegionSpec, provider: aws.Provider, *, replicated: bool) -> Lookups:
    existing = find_existing(spec)
    lookups = Lookups(f"regions[{spec.region}].existing.aws", pulumi.InvokeOptions(provider=provider))
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
    return lookups
