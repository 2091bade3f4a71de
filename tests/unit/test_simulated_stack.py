"""Deployments of an environment to simulated clouds inside the test's process."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_rehearsal.events import StepOp

from tests.unit.config.environments import change, read_stack
from tests.unit.simulated_stack import deploy

DEV = read_stack("dev")
EXAMPLES = "examples/environments"


@pytest.mark.parametrize(
    "values",
    [DEV, read_stack("prod-gcp", EXAMPLES), read_stack("prod-azure", EXAMPLES)],
    ids=["aws", "gcp", "azure"],
)
def test_the_same_configuration_changes_nothing(values: dict[str, Any]) -> None:
    before = deploy(values)
    assert before.of(StepOp.CREATE)
    assert not deploy(values, before).steps


def test_a_replaced_network_replaces_what_is_in_it() -> None:
    after = deploy(change(DEV, {"regions.0.network": "10.9.0.0/16"}), deploy(DEV))
    replaced = {step.type: step.properties for step in after.of(StepOp.REPLACE)}
    assert replaced["aws:ec2/vpc:Vpc"] == ("cidrBlock",)
    assert "vpcId" in replaced["aws:ec2/subnet:Subnet"]
    assert replaced["aws:eks/nodeGroup:NodeGroup"] == ("subnetIds",)


def test_resources_that_are_no_longer_declared_are_deleted() -> None:
    after = deploy(change(DEV, {"regions.0.zones": ["us-west-2a", "us-west-2b"]}), deploy(DEV))
    assert "dev-us-west-2-private-us-west-2c" in {step.name for step in after.of(StepOp.DELETE)}
