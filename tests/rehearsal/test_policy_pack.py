"""The shipped policy pack as the engine runs it: in a process of its own, before anything is made."""

import json
from pathlib import Path

import pytest
from novacron_rehearsal import PolicyPackSpec, StepOp

from tests.rehearsal.conftest import Lab

PACK = Path(__file__).parents[2] / "policy"
IMAGE = "registry.example/worker:latest"
DEPLOYMENT = f"""
pod = {{"template": {{"spec": {{"containers": [{{"name": "c", "image": "{IMAGE}"}}]}}}}}}
Thing("first")
Thing("app", token="kubernetes:apps/v1:Deployment", spec=pod, opts=O(depends_on=[Thing("before")]))
"""


def test_a_mandatory_violation_stops_the_run_before_anything_is_made(lab: Lab) -> None:
    both = {"sim": lab.port, "kubernetes": lab.port}
    result = lab.up(DEPLOYMENT, policy_packs=[PolicyPackSpec(PACK)], attached_providers=both)
    assert not result.succeeded
    violation = result.policy_violations[0]
    assert (violation.policy, violation.mandatory) == ("digest-pinned-image", True)
    assert IMAGE in violation.message
    assert lab.provider.world == {}


def test_an_advisory_violation_is_told_and_the_run_goes_on(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"digest-pinned-image": "advisory"}))
    both = {"sim": lab.port, "kubernetes": lab.port}
    result = lab.up(DEPLOYMENT, policy_packs=[PolicyPackSpec(PACK, config)], attached_providers=both)
    assert result.succeeded, result.errors
    assert not any(violation.mandatory for violation in result.policy_violations)
    assert result.policy_violations
    assert result.changes[StepOp.CREATE] == 6


def test_an_exempt_resource_passes(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    exemption = {"urn": "urn:pulumi:dev::lab::kubernetes:apps/v1:Deployment::app", "reason": "a test"}
    config.write_text(json.dumps({"digest-pinned-image": {"exemptions": [exemption]}}))
    both = {"sim": lab.port, "kubernetes": lab.port}
    result = lab.preview(DEPLOYMENT, policy_packs=[PolicyPackSpec(PACK, config)], attached_providers=both)
    assert result.succeeded, result.errors
    assert result.policy_violations == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "PulumiPolicy.yaml"),
        ("raise SystemExit('no such rule')", "no such rule"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
    ],
)
def test_a_pack_that_cannot_load_is_a_clear_error(lab: Lab, tmp_path: Path, content: str | None, said: str) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    if content is not None:
        (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
        (pack / "__main__.py").write_text(content)
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(pack)])
    assert not result.succeeded
    assert str(pack) in result.errors
    assert said in result.errors
    assert lab.provider.world == {}


def test_a_configuration_for_no_such_policy_is_refused(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"digest-pined-image": "advisory"}))
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(PACK, config)])
    assert "digest-pined-image" in result.errors
    assert "digest-pinned-image" in result.errors
