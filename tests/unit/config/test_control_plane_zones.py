"""Zones of the control plane on AWS, which stay when the region gets another zone."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.config import load
from novacron_rehearsal.events import StepOp

from tests.unit.config.environments import change, find_problems, read_stack
from tests.unit.simulated_stack import deploy

GCP = read_stack("prod-gcp", "examples/environments")


def with_zones(letters: str, **more: object) -> dict[str, Any]:
    """Return the stack dev in the zones of these letters."""
    zones = [f"us-west-2{letter}" for letter in letters]
    values = read_stack("dev")
    return values | {"regions": [values["regions"][0] | {"zones": zones, **more}]}


def test_a_zone_comes_without_a_change_of_the_control_plane() -> None:
    before = deploy(with_zones("ab"))
    stated = deploy(with_zones("abc", control_plane_zones=["us-west-2b", "us-west-2a"]), before)
    clusters = [step for step in stated.steps if step.type == "aws:eks/cluster:Cluster"]
    assert clusters == []
    assert stated.of(StepOp.CREATE)
    (cluster,) = [item for item in stated.resources.values() if item.type == "aws:eks/cluster:Cluster"]
    assert isinstance(cluster.inputs["vpcConfig"], dict)
    assert len(cluster.inputs["vpcConfig"]["subnetIds"]) == 2  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("values", "path", "rule"),
    [
        (with_zones("abc", control_plane_zones=["us-west-2a"]), "", "a control plane of EKS needs two zones"),
        (with_zones("abc", control_plane_zones=["us-west-2a"] * 2), "", "a control plane of EKS needs two zones"),
        (
            with_zones("ab", control_plane_zones=["us-west-2a", "us-west-2b", "us-west-2c"]),
            ".2",
            "the region does not have this zone",
        ),
        (
            change(GCP, {"regions.0.control_plane_zones": ["us-central1-a"]}),
            "",
            "on gcp the cloud chooses the zones of a control plane",
        ),
    ],
)
def test_zones_that_a_control_plane_cannot_have_are_refused(values: dict[str, Any], path: str, rule: str) -> None:
    region = values["regions"][0]["name"]
    (found,) = find_problems(values).items()
    assert found[0] == f"regions[{region}].control_plane_zones{path}"
    assert found[1].rule == rule


def test_all_zones_may_be_named() -> None:
    load(with_zones("ab", control_plane_zones=["us-west-2a", "us-west-2b"]))
