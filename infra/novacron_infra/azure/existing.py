"""Lookups of everything that exists of the regions on Azure, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_azure_native as azure_native

from novacron_infra.azure.existing_bucket import check_container
from novacron_infra.azure.existing_network import AzureNetworkCheck
from novacron_infra.azure.existing_registry import check_registry
from novacron_infra.azure.region_parts import find_existing
from novacron_infra.existing import Lookups, raise_lookup_problems
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingBlobStore


def check_existing(specs: Mapping[str, RegionSpec], providers: Mapping[str, azure_native.Provider]) -> None:
    """Look up everything that exists of the regions.

    Args:
        specs: the regions by name.
        providers: the provider of each.

    Raises:
        ConfigurationError: with everything that is not there, or lacks what a region needs.
    """
    lookups = [_look_up(spec, providers[name]) for name, spec in specs.items()]
    raise_lookup_problems(lookups)


def _look_up(spec: RegionSpec, provider: azure_native.Provider) -> Lookups:
    existing = find_existing(spec)
    lookups = Lookups(f"regions[{spec.region}].existing.azure", pulumi.InvokeOptions(provider=provider))
    if existing.network is not None:
        AzureNetworkCheck(
            lookups=lookups,
            existing=existing.network,
            region=spec.region,
            network=spec.network,
            pools=spec.pools,
        ).run()
    if isinstance(spec.store, ExistingBlobStore):
        check_container(lookups, spec.store, spec.region)
    if existing.registry is not None:
        check_registry(lookups, existing.registry)
    return lookups
