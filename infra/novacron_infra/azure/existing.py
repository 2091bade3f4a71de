"""Lookups of everything that exists of the regions on Azure, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi_azure_native as azure_native

from novacron_infra.azure.existing_bucket import check_container
from novacron_infra.azure.existing_cluster import AzureClusterCheck
from novacron_infra.azure.existing_databases import check_postgres, check_redis
from novacron_infra.azure.existing_key import check_key
from novacron_infra.azure.existing_network import AzureNetworkCheck
from novacron_infra.azure.existing_registry import check_registry
from novacron_infra.azure.region_parts import find_existing
from novacron_infra.catalog import Cloud
from novacron_infra.existing import Lookups, check_regions
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingBlobStore


def check_existing(specs: Mapping[str, RegionSpec], providers: Mapping[str, azure_native.Provider]) -> None:
    """Look up everything that exists of the regions; the arguments and the error are those of `check_regions`."""
    check_regions(Cloud.AZURE, specs, providers, _look_up)


def _look_up(spec: RegionSpec, lookups: Lookups) -> None:
    existing = find_existing(spec)
    if existing.network is not None:
        AzureNetworkCheck(
            lookups=lookups,
            existing=existing.network,
            region=spec.region,
            network=spec.network,
            pools=spec.pools,
        ).run()
    if existing.network is not None and existing.cluster_id is not None:
        AzureClusterCheck(lookups=lookups, cluster_id=existing.cluster_id, network=existing.network, spec=spec).run()
    if isinstance(spec.store, ExistingBlobStore):
        check_container(lookups, spec.store, spec.region)
    if existing.registry is not None:
        check_registry(lookups, existing.registry)
    if existing.key_id is not None:
        check_key(lookups, existing.key_id, spec.region)
    if existing.postgres is not None:
        check_postgres(lookups, existing.postgres, spec.region)
    if existing.redis is not None:
        check_redis(lookups, existing.redis, spec.region)
