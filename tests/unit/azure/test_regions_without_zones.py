"""Azure regions without availability zones: nothing in them asks for zones."""

from __future__ import annotations

import pytest

from tests.unit.config.environments import AZURE, change, find_problems
from tests.unit.simulated_stack import Deployment, deploy


def list_zonal(deployment: Deployment) -> set[str]:
    """Return the types of resources that name zones, or are redundant across zones."""
    return {
        resource.type.rpartition(":")[2]
        for resource in deployment.resources.values()
        if any(word in str(resource.inputs) for word in ("'zones'", "'availabilityZones'", "ZRS'", "'ZoneRedundant'"))
    }


@pytest.mark.parametrize("region", ["westus", "northcentralus", "japanwest", "westcentralus"])
def test_nothing_asks_for_zones(region: str) -> None:
    assert list_zonal(deploy(change(AZURE, {"regions.0.name": region, "regions.0.new": True}))) == set()


def test_other_regions_use_their_zones() -> None:
    assert list_zonal(deploy(AZURE)) >= {"ManagedCluster", "PublicIPAddress", "Server", "StorageAccount"}


@pytest.mark.parametrize("region", ["westus", "northcentralus"])
def test_stated_zones_are_refused(region: str) -> None:
    found = find_problems(change(AZURE, {"regions.0.name": region, "regions.0.zones": ["1"]}))
    problem = found[f"regions[{region}].zones.0"]
    assert problem.rule == f"{region} had no availability zones on 2026-11-25"
