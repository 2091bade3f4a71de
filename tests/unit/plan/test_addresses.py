"""Networks of regions that are too small for their nodes."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import AZURE, PROD, change, plan
from tests.unit.config.test_plan_and_components import GOOGLE

MANY = {"workers.count": 512, "workers.minimum": 8, "workers.maximum": 512}
"""64 machines of 8 GPUs with one GPU for each worker."""
NARROW = {f"regions.{index}.network": f"10.{index}.0.0/20" for index in range(4)}
TOO_SMALL: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "nodes of EKS with a spare network interface": (
        PROD,
        NARROW,
        [("regions[us-west-2].network", "and replicas that span nodes stay in one zone")],
    ),
    "pods of GKE": (
        GOOGLE,
        MANY | {"regions.0.network": "10.0.0.0/18"},
        [
            (
                "regions[us-central1].network",
                "it has room for 64 nodes, and the region has up to 65: half of it is for pods",
            )
        ],
    ),
    "pods of AKS": (
        AZURE,
        {"workers.count": 1024, "workers.maximum": 1024, "autoscaling.ceiling_workers": 1024},
        [("regions[westus3].network", "it has room for 252 nodes")],
    ),
}


@pytest.mark.parametrize(("base", "changes", "expected"), TOO_SMALL.values(), ids=TOO_SMALL)
def test_a_network_has_to_have_room_for_all_nodes(
    base: dict[str, Any], changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    with pytest.raises(ConfigurationError) as error:
        plan(change(base, changes))
    found = [item for item in error.value.problems if item.path.endswith(".network")]
    assert len(found) == len(expected), found
    for problem, (path, rule) in zip(found, expected, strict=True):
        assert problem.path == f"novacron:environment.{path}"
        assert rule in problem.rule


@pytest.mark.parametrize("network", ["10.0.0.0/16", "10.0.0.0/17"])
def test_the_default_sizes_have_room_for_production(network: str) -> None:
    assert plan(change(PROD, {"regions.0.network": network})).regions
