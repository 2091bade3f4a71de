"""Threat detection on simulated clouds: turned on in an environment that exists, and off again."""

from __future__ import annotations

from pathlib import Path

from novacron_infra.outputs import EnvironmentOutputs
from novacron_rehearsal import PolicyPackSpec

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.test_environment import changes, describe, environment

ROOT = Path(__file__).parents[3]
PACK = PolicyPackSpec(ROOT / "policy")


def test_detection_is_added_to_an_environment_that_exists_and_removed_again(site: Site) -> None:
    values = environment("dev")
    describe(site, values)
    assert site.up().succeeded
    detection = {"aws": "managed", "alert_emails": ["security@example.com"]}
    describe(site, values | {"security": {"threat_detection": detection}})
    planned = changes(site.workspace.preview(site.options))
    # The key of the logs lets EventBridge publish to the topic. Nothing else that exists changes.
    assert {name for step, name in planned if step != "create"} == {"dev-us-west-2-logs"}
    second = site.up(policy_packs=[PACK])
    assert second.succeeded, second.errors
    assert second.policy_violations == []
    outputs = EnvironmentOutputs.model_validate(second.outputs)
    assert (outputs.regions["us-west-2"].threat_alerts or "").startswith("arn:aws:sns:us-west-2:")
    assert taken(site.workspace.preview(site.options)) == {}
    describe(site, values)
    created = {name for step, name in planned if step == "create"}
    removed = changes(site.workspace.preview(site.options))
    assert {name for step, name in removed if step == "delete"} == created
    assert {name for step, name in removed if step != "delete"} == {"dev-us-west-2-logs"}
