"""The shipped policy pack as users run it: by the engine and by the Pulumi CLI, before anything is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from novacron_rehearsal import PolicyPackSpec, PolicyPackState

from tests.rehearsal.conftest import Lab
from tests.rehearsal.pulumi_cli import needs_pulumi

PACK = Path(__file__).parents[2] / "policy"
IMAGE = "registry.example/worker:latest"
PROGRAM = """
pod = {{"template": {{"spec": {{"containers": [{{"name": "c", "image": {image}}}]}}}}}}
Thing("app", token="kubernetes:apps/v1:Deployment", spec=pod, opts=O(depends_on=[Thing("before")]))
"""
DEPLOYMENT = PROGRAM.format(image=repr(IMAGE))
UNKNOWN_IMAGE = PROGRAM.format(image='Thing("build").made')
URN = "urn:pulumi:dev::lab::kubernetes:apps/v1:Deployment::app"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a run."""

    succeeded: bool
    violations: set[tuple[str, str, bool, str]]
    """Policy, resource, whether mandatory, severity."""
    message: str


Judge = Callable[[str, "dict[str, Any] | None"], Verdict]


def by_engine(lab: Lab, config: Path | None) -> Verdict:
    both = {"sim": lab.port, "kubernetes": lab.port}
    result = lab.up(policy_packs=[PolicyPackSpec(PACK, config)], attached_providers=both)
    violations = {(item.policy, item.urn, item.mandatory, item.severity) for item in result.policy_violations}
    return Verdict(result.succeeded, violations, "\n".join(item.message for item in result.policy_violations))


def by_cli(lab: Lab, config: Path | None) -> Verdict:
    log, state = lab.folder / "events", lab.folder / "state"
    state.mkdir()
    # The program's Python is named, not taken from PATH: so is the pack's, in its PulumiPolicy.yaml.
    (lab.folder / "Pulumi.yaml").write_text(
        f"name: lab\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
    )
    env = {
        **os.environ,
        "PULUMI_HOME": str(lab.folder / "home"),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "correct horse",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
        "PULUMI_DEBUG_PROVIDERS": f"sim:{lab.port},kubernetes:{lab.port}",
    }
    pack = ["--policy-pack", str(PACK), *(["--policy-pack-config", str(config)] if config else [])]
    for arguments in (["stack", "init", "dev"], ["up", "--yes", "--stack", "dev", *pack, "--event-log", str(log)]):
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=lab.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    found = [event["policyEvent"] for event in events if "policyEvent" in event]
    violations = {
        (item["policyName"], item["resourceUrn"], item["enforcementLevel"] == "mandatory", item.get("severity", ""))
        for item in found
    }
    return Verdict(done.returncode == 0, violations, done.stdout + done.stderr)


NEEDS_CLI = [pytest.mark.pulumi, needs_pulumi]


@pytest.fixture(params=["engine", pytest.param("cli", marks=NEEDS_CLI)])
def judge(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Judge:
    """Runs `up` with the pack and its configuration, on one engine or the other."""
    runner = {"engine": by_engine, "cli": by_cli}[request.param]

    def run(program: str, config: dict[str, Any] | None) -> Verdict:
        lab.write(program)
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(config))
        return runner(lab, None if config is None else file)

    return run


def test_a_mandatory_violation_stops_the_run_before_anything_is_made(judge: Judge, lab: Lab) -> None:
    verdict = judge(DEPLOYMENT, None)
    assert not verdict.succeeded
    assert verdict.violations == {("digest-pinned-image", URN, True, "medium")}
    assert IMAGE in verdict.message
    assert lab.provider.world == {}


def test_an_unknown_value_that_could_hide_a_violation_is_a_violation(judge: Judge, lab: Lab) -> None:
    verdict = judge(UNKNOWN_IMAGE, None)
    assert not verdict.succeeded
    assert verdict.violations == {("digest-pinned-image", URN, True, "medium")}
    assert "Give it as a plain value" in verdict.message
    assert lab.provider.world == {}


def test_an_advisory_violation_is_reported_and_the_run_continues(judge: Judge, lab: Lab) -> None:
    verdict = judge(DEPLOYMENT, {"digest-pinned-image": "advisory"})
    assert verdict.succeeded, verdict.message
    assert verdict.violations == {("digest-pinned-image", URN, False, "medium")}
    assert len(lab.provider.world) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"all": "disabled"},
        {"digest-pinned-image": {"enforcementLevel": "disabled"}},
        {"digest-pinned-image": {"exemptions": [{"urn": URN, "reason": "a test"}]}},
    ],
)
def test_disabled_policies_and_exempt_resources_have_no_violations(judge: Judge, config: dict[str, Any]) -> None:
    verdict = judge(DEPLOYMENT, config)
    assert verdict.succeeded, verdict.message
    assert verdict.violations == set()


def test_an_exemption_ends_after_its_date(judge: Judge) -> None:
    ended = str(datetime.now(timezone.utc).date() - timedelta(days=1))
    verdict = judge(
        DEPLOYMENT, {"digest-pinned-image": {"exemptions": [{"urn": URN, "reason": "a test", "until": ended}]}}
    )
    assert not verdict.succeeded
    assert f"its exemption ended after {ended}" in verdict.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "PulumiPolicy.yaml"),
        ("raise SystemExit('no such rule')", "no such rule"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
    ],
)
def test_a_pack_that_cannot_load_is_a_clear_error(lab: Lab, tmp_path: Path, content: str | None, message: str) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    if content is not None:
        (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
        (pack / "__main__.py").write_text(content)
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(pack)])
    assert not result.succeeded
    assert str(pack) in result.errors
    assert message in result.errors
    assert lab.provider.world == {}
    [report] = result.policy_packs
    assert (report.path, report.state) == (pack, PolicyPackState.FAILED)
    assert message in report.reason


MASKING_PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def validate(args, report):
    if "password" in args.props:
        report(f"exemption {args.props['password']} {args.props['user']}")


PolicyPack(
    "pack",
    enforcement_level=EnforcementLevel.ADVISORY,
    policies=[ResourceValidationPolicy(name="matches", description="Every exemption matches", validate=validate)],
)
"""


def test_a_policy_message_masks_secrets_but_not_its_rule_or_parts_of_words(lab: Lab, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(MASKING_PACK)
    program = 'Thing("a", password=pulumi.Output.secret("x"), user=pulumi.Output.secret("matches"))'
    result = lab.up(program, policy_packs=[PolicyPackSpec(pack)])
    assert result.succeeded, result.errors
    [violation] = result.policy_violations
    assert violation.message == "Every exemption matches\nexemption x [secret]"


def test_a_program_that_fails_leaves_its_policies_unfinished_not_passed(lab: Lab) -> None:
    result = lab.up('Thing("a")\nraise ValueError("no idea")', policy_packs=[PolicyPackSpec(PACK)])
    assert not result.succeeded
    [report] = result.policy_packs
    assert report.state is PolicyPackState.UNFINISHED
    assert "before the pack had checked every resource" in report.reason


def test_a_program_that_exits_before_the_stack_is_checked_fails_the_run(lab: Lab) -> None:
    result = lab.preview('Thing("a")\nraise SystemExit(0)', policy_packs=[PolicyPackSpec(PACK)])
    assert not result.succeeded
    assert f"policy pack {PACK}: the run ended before the pack had checked" in result.errors


def test_policies_that_have_checked_everything_are_reported_so(lab: Lab) -> None:
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(PACK)])
    assert result.succeeded, result.errors
    assert [report.state for report in result.policy_packs] == [PolicyPackState.CHECKED]
    assert lab.workspace.refresh(lab.options(policy_packs=[PolicyPackSpec(PACK)])).policy_packs == ()


def test_an_advisory_violation_is_reported_once_though_the_pack_also_checks_a_preview(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"digest-pinned-image": "advisory"}))
    lab.write(DEPLOYMENT)
    both = {"sim": lab.port, "kubernetes": lab.port}
    result = lab.up(policy_packs=[PolicyPackSpec(PACK, config)], attached_providers=both)
    assert result.succeeded, result.errors
    assert [item.urn for item in result.policy_violations] == [URN]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"exemptions": [{"urn": URN, "reason": "a test", "until": "soon"}]},
            "digest-pinned-image.exemptions.0.until = soon: it is not a date. Write it like 2027-03-31",
        ),
        (
            {"exemptons": [{"urn": URN, "reason": "a test"}]},
            "digest-pinned-image.exemptons is an unknown key; did you mean exemptions?",
        ),
    ],
)
def test_a_wrong_exemption_names_the_file_the_policy_and_the_key(
    lab: Lab, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"digest-pinned-image": settings}))
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(PACK, config)])
    assert not result.succeeded
    assert str(config) in result.errors
    assert message in result.errors
    assert "Exception calling application" not in result.errors


def test_an_exemption_that_matches_no_resource_is_reported_as_advisory(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    exemption = {"urn": f"{URN}-old", "reason": "a test"}
    config.write_text(json.dumps({"digest-pinned-image": {"exemptions": [exemption]}}))
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(PACK, config)])
    assert result.succeeded, result.errors
    [violation] = result.policy_violations
    assert (violation.policy, violation.mandatory) == ("unused-exemptions", False)
    assert f"{URN}-old" in violation.message


def test_a_configuration_for_no_such_policy_is_refused(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"digest-pined-image": "advisory"}))
    result = lab.up('Thing("a")', policy_packs=[PolicyPackSpec(PACK, config)])
    assert "digest-pined-image" in result.errors
    assert "digest-pinned-image" in result.errors
