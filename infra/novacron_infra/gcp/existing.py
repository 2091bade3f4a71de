"""Lookups of everything that exists of the regions on Google Cloud, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud
from novacron_infra.existing import Lookups, check_regions
from novacron_infra.gcp.existing_bucket import check_bucket
from novacron_infra.gcp.existing_cluster import GcpClusterCheck
from novacron_infra.gcp.existing_databases import GcpDatabaseCheck
from novacron_infra.gcp.existing_key import check_key
from novacron_infra.gcp.existing_network import GcpNetworkCheck
from novacron_infra.gcp.existing_registry import check_registry
from novacron_infra.gcp.region_parts import describe_keys, find_existing
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingGcsStore


def check_existing(specs: Mapping[str, RegionSpec], providers: Mapping[str, gcp.Provider]) -> None:
    """Look up everything that exists of the regions; the arguments and the error are those of `check_regions`."""
    check_regions(Cloud.GCP, specs, providers, _look_up)


def _look_up(spec: RegionSpec, lookups: Lookups) -> None:
    existing = find_existing(spec)
    if existing.network is not None:
        GcpNetworkCheck(
            lookups=lookups,
            existing=existing.network,
            region=spec.region,
            network=spec.network,
            pools=spec.pools,
        ).run()
    if isinstance(spec.store, ExistingGcsStore):
        check_bucket(lookups, spec.store, spec.region)
    if existing.registry is not None:
        check_registry(lookups, existing.registry)
    if existing.key is not None:
        check_key(lookups, existing.key, describe_keys(spec))
    if existing.network is not None and existing.cluster is not None:
        GcpClusterCheck(lookups=lookups, cluster=existing.cluster, network=existing.network, spec=spec).run()
    if existing.network is not None:
        databases = GcpDatabaseCheck(lookups=lookups, region=spec.region, network=existing.network.network)
        if existing.postgres is not None:
            databases.check_postgres(existing.postgres)
        if existing.redis is not None:
            databases.check_redis(existing.redis)
