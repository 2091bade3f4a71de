"""Each policy's passing, failing and unknown cases, straight through the policy."""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from novacron_infra import catalog
from novacron_policy.checks import gpu
from novacron_policy.document import FILE, document
from novacron_policy.exemptions import Exemption
from novacron_policy.pack import policies
from novacron_policy.rules import RULES
from pulumi_policy import PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

CASES = [
    pytest.param(file.stem, case, id=f"{file.stem}: {case['what']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in json.loads(file.read_text())
]
URN = "urn:pulumi:s::p::t::n"


def violations(name: str, case: dict[str, Any], config: dict[str, Any] | None = None) -> list[str]:
    options = PolicyResourceOptions(False, [], None, [], None, [])
    props = unknown_checking_proxy(case["properties"])
    args = ResourceValidationArgs(case["type"], props, URN, "n", options, None, config)
    found: list[str] = []
    policy = next(policy for policy in policies() if policy.name == name)
    policy.validate(args, lambda message, _urn=None: found.append(message))
    return found


@pytest.mark.parametrize(("name", "case"), CASES)
def test_case(name: str, case: dict[str, Any]) -> None:
    found = violations(name, case)
    match case["expect"]:
        case "pass":
            assert found == []
        case "fail":
            assert any(case["says"] in message for message in found), found
            assert not any("plain value" in message for message in found), found
        case _:
            assert found
            assert all("plain value" in message for message in found), found


def test_every_policy_has_a_case_of_each_kind() -> None:
    cases = [case.values for case in CASES]
    for rule in RULES:
        assert {case["expect"] for name, case in cases if name == rule.name} == {"pass", "fail", "unknown"}, rule.name


PODS = {
    "core/v1:Pod": "spec",
    "core/v1:PodTemplate": "template.spec",
    "core/v1:ReplicationController": "spec.template.spec",
    "apps/v1:Deployment": "spec.template.spec",
    "apps/v1:DeploymentPatch": "spec.template.spec",
    "apps/v1:DeploymentList": "items.0.spec.template.spec",
    "apps/v1:StatefulSet": "spec.template.spec",
    "apps/v1:DaemonSet": "spec.template.spec",
    "apps/v1:ReplicaSet": "spec.template.spec",
    "batch/v1:Job": "spec.template.spec",
    "batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
    "leaderworkerset.x-k8s.io/v1:LeaderWorkerSet": "spec.leaderWorkerTemplate.workerTemplate.spec",
    "leaderworkerset.x-k8s.io/v1:LeaderWorkerSetPatch": "spec.leaderWorkerTemplate.leaderTemplate.spec",
    "jobset.x-k8s.io/v1alpha2:JobSet": "spec.replicatedJobs.0.template.spec.template.spec",
    "ray.io/v1:RayCluster": "spec.headGroupSpec.template.spec",
}
BAD_POD = {
    "containers": [
        {
            "name": "c",
            "image": "worker:latest",
            "securityContext": {"privileged": True},
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }
    ]
}
POD_POLICIES = ("digest-pinned-image", "gpu-taint-and-toleration", "no-privileged-pod")


def nested(path: list[str], value: Any) -> Any:
    for key in reversed(path):
        value = [value] if key == "0" else {key: value}
    return value


@pytest.mark.parametrize("kind", PODS)
@pytest.mark.parametrize("name", POD_POLICIES)
def test_a_pod_is_found_in_every_kind_and_missed_where_it_may_be(name: str, kind: str) -> None:
    path = PODS[kind].split(".")
    resource = {"type": f"kubernetes:{kind}", "properties": nested(path, BAD_POD)}
    assert len(violations(name, resource)) == 1
    hidden = [path[: index + 1] for index, key in enumerate(path) if key in ("spec", "items") or "emplate" in key]
    for part in hidden:
        resource["properties"] = nested(part, UNKNOWN_STRING_VALUE)
        assert "plain value" in violations(name, resource)[0], part


def test_a_pod_is_found_in_a_custom_resource_that_nobody_has_heard_of() -> None:
    resource = {"type": "kubernetes:acme.example/v1:Fleet", "properties": nested(["spec", "ships", "0"], BAD_POD)}
    assert "image 'worker:latest' is not pinned" in violations("digest-pinned-image", resource)[0]


@pytest.mark.parametrize("machine", catalog.load_machines().values(), ids=lambda machine: machine.name)
def test_the_catalogues_gpu_machines_are_recognised_and_no_others(machine: catalog.Machine) -> None:
    pattern = {"aws": gpu.AWS_GPU, "gcp": gpu.GCP_GPU, "azure": gpu.AZURE_GPU}[machine.cloud]
    assert (pattern.search(machine.name) is not None) == (machine.gpu_count > 0)


TAGGED = {
    "type": "kubernetes:core/v1:Pod",
    "properties": {"spec": {"containers": [{"name": "c", "image": "worker:latest"}]}},
}


def exempt(urn: str, days_left: int | None = None) -> dict[str, Any]:
    until = {} if days_left is None else {"until": str(datetime.now(timezone.utc).date() + timedelta(days=days_left))}
    return {"exemptions": [{"urn": urn, "reason": "a test", **until}]}


@pytest.mark.parametrize("days_left", [None, 1])
def test_an_exempt_resource_is_left_alone(days_left: int | None) -> None:
    assert violations("digest-pinned-image", TAGGED, exempt(URN, days_left)) == []


def test_an_exemption_of_another_resource_changes_nothing() -> None:
    assert violations("digest-pinned-image", TAGGED, exempt(URN + "2")) == violations("digest-pinned-image", TAGGED)


def test_an_exemption_that_has_ended_is_named_in_the_violation() -> None:
    config = exempt(URN, -1)
    (message,) = violations("digest-pinned-image", TAGGED, config)
    assert message.endswith(f"(its exemption ended after {config['exemptions'][0]['until']})")


def test_an_exemption_holds_to_the_end_of_its_last_day() -> None:
    exemption = Exemption.parse({"urn": "u", "reason": "r", "until": "2026-03-31"})
    assert exemption.holds(date(2026, 3, 31))
    assert not exemption.holds(date(2026, 4, 1))


@pytest.mark.parametrize(
    "data", [{"urn": "u"}, {"reason": "r"}, {"urn": "u", "reason": ""}, {"urn": "u", "reason": "r", "till": "x"}]
)
def test_an_exemption_without_urn_or_reason_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="an exemption has urn and reason"):
        Exemption.parse(data)


def test_the_reference_is_what_the_rules_say() -> None:
    assert FILE.read_text(encoding="utf-8") == document(), "run python -m novacron_policy.document"
