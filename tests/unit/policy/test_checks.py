"""The passing, failing and unknown cases of each policy, and its exemptions."""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from novacron_infra import catalog
from novacron_infra.networks import MIN_PREFIX_LENGTH
from novacron_policy.checks import gpu, network
from novacron_policy.document import FILE, render_document
from novacron_policy.exemptions import PolicyConfigurationError, read_exemptions
from novacron_policy.pack import UNUSED_EXEMPTIONS, create_policies
from novacron_policy.rules import RULES
from pulumi_policy import PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

CASES = [
    pytest.param(file.stem, case, id=f"{file.stem}: {case['what']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in json.loads(file.read_text())
]
URN = "urn:pulumi:s::p::t::n"


def violations(
    name: str, case: dict[str, Any], config: dict[str, Any] | None = None, policies: list[Any] | None = None
) -> list[str]:
    options = PolicyResourceOptions(False, [], None, [], None, [])
    props = unknown_checking_proxy(case["properties"])
    args = ResourceValidationArgs(case["type"], props, URN, "n", options, None, config)
    found: list[str] = []
    policy = next(policy for policy in policies or create_policies() if policy.name == name)
    policy.validate(args, lambda message, _urn=None: found.append(message))
    return found


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_policy_decides_its_case(name: str, case: dict[str, Any]) -> None:
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
def test_pods_are_found_in_every_kind_of_workload_and_unknown_parts_are_reported(name: str, kind: str) -> None:
    path = PODS[kind].split(".")
    resource = {"type": f"kubernetes:{kind}", "properties": nested(path, BAD_POD)}
    assert len(violations(name, resource)) == 1
    hidden = [path[: index + 1] for index, key in enumerate(path) if key in ("spec", "items") or "emplate" in key]
    for part in hidden:
        resource["properties"] = nested(part, UNKNOWN_STRING_VALUE)
        assert "plain value" in violations(name, resource)[0], part


def test_pods_are_found_in_unknown_custom_resources() -> None:
    resource = {"type": "kubernetes:acme.example/v1:Fleet", "properties": nested(["spec", "ships", "0"], BAD_POD)}
    assert "image 'worker:latest' is not pinned" in violations("digest-pinned-image", resource)[0]


@pytest.mark.parametrize("machine", catalog.load_machines().values(), ids=lambda machine: machine.name)
def test_the_gpu_machines_of_the_catalogue_are_recognised(machine: catalog.Machine) -> None:
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
def test_a_policy_does_not_apply_to_an_exempt_resource(days_left: int | None) -> None:
    assert violations("digest-pinned-image", TAGGED, exempt(URN, days_left)) == []


def test_an_exemption_of_another_resource_has_no_effect() -> None:
    assert violations("digest-pinned-image", TAGGED, exempt(URN + "2")) == violations("digest-pinned-image", TAGGED)


def test_an_exemption_that_has_ended_is_named_in_the_violation() -> None:
    config = exempt(URN, -1)
    (message,) = violations("digest-pinned-image", TAGGED, config)
    assert message.endswith(f"(its exemption ended after {config['exemptions'][0]['until']})")


def test_an_exemption_applies_until_the_end_of_its_last_day() -> None:
    config = {"exemptions": [{"urn": "u", "reason": "r", "until": "2026-03-31"}]}
    (exemption,) = read_exemptions("no-privileged-pod", config)
    assert exemption.applies(date(2026, 3, 31))
    assert not exemption.applies(date(2026, 4, 1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"exemptions": [{"urn": "u"}]}, "exemptions.0.reason is missing: an exemption needs it"),
        ({"exemptions": [{"reason": "r"}]}, "exemptions.0.urn is missing: an exemption needs it"),
        ({"exemptions": [{"urn": "u", "reason": ""}]}, "exemptions.0.reason = '': an exemption needs it"),
        (
            {"exemptions": [{"urn": "u", "reason": "r"}, {"urn": "v", "reason": "r", "till": "x"}]},
            "exemptions.1.till = x: it is an unknown key. Use urn, reason or until",
        ),
        (
            {"exemptions": [{"urn": "u", "reason": "r", "until": "soon"}]},
            "exemptions.0.until = soon: it is not a date. Write it like 2027-03-31",
        ),
        ({"exemptions": [{"urn": "u", "reason": "r", "until": 5}]}, "exemptions.0.until = 5: it is not a date"),
        ({"exemptions": ["u"]}, "exemptions.0 = u: an exemption is an object with urn, reason"),
        ({"exemptions": "u"}, "exemptions = u: it must be a list"),
        ({"exemptons": []}, "exemptons = []: it is an unknown key. Did you mean exemptions?"),
        ({"tolerance": 5}, "tolerance = 5: it is an unknown key. Remove it"),
    ],
)
def test_a_wrong_configuration_names_the_policy_and_the_key(config: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyConfigurationError) as error:
        violations("no-privileged-pod", TAGGED, config)
    assert str(error.value).startswith(f"no-privileged-pod.{message}")


def unused_exemptions(config: dict[str, Any], urns: list[str]) -> list[str]:
    """Return the reports on a stack after `digest-pinned-image` checked a resource with this configuration."""
    policies = create_policies()
    violations("digest-pinned-image", TAGGED, config, policies)
    stack = next(policy for policy in policies if policy.name == UNUSED_EXEMPTIONS)
    found: list[str] = []
    resources = [SimpleNamespace(urn=urn) for urn in urns]
    stack.validate(SimpleNamespace(resources=resources), lambda message, _urn=None: found.append(message))
    return found


def test_an_exemption_that_matches_no_resource_is_reported() -> None:
    (message,) = unused_exemptions(exempt(URN + "-old"), [URN])
    assert f"the exemption of {URN}-old from digest-pinned-image matches no resource" in message


@pytest.mark.parametrize("days_left", [None, 1, -1])
def test_an_exemption_that_matches_a_resource_is_not_reported(days_left: int | None) -> None:
    assert unused_exemptions(exempt(URN, days_left), [URN, "another"]) == []


def test_the_widest_public_network_is_the_same_in_policies_and_components() -> None:
    assert network.MIN_PREFIX_LENGTH is MIN_PREFIX_LENGTH


def test_the_reference_matches_the_rules() -> None:
    assert FILE.read_text(encoding="utf-8") == render_document(), "run python -m novacron_policy.document"
