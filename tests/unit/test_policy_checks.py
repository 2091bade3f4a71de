"""Each policy's passing, failing and unknown cases, straight through the policy."""

import json
from pathlib import Path
from typing import Any

import pytest
from novacron_policy.pack import RULES, policies
from pulumi_policy import PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import unknown_checking_proxy

CASES = [
    (file.stem, case)
    for file in sorted((Path(__file__).parent / "policy_cases").glob("*.json"))
    for case in json.loads(file.read_text())
]


def arguments(case: dict[str, Any], config: dict[str, Any] | None = None) -> ResourceValidationArgs:
    options = PolicyResourceOptions(False, [], None, [], None, [])
    props = unknown_checking_proxy(case["properties"])
    return ResourceValidationArgs(case["type"], props, "urn:pulumi:s::p::t::n", "n", options, None, config)


def violations(name: str, args: ResourceValidationArgs) -> list[str]:
    found: list[str] = []
    policy = next(policy for policy in policies() if policy.name == name)
    policy.validate(args, lambda message, _urn=None: found.append(message))
    return found


@pytest.mark.parametrize(("name", "case"), CASES)
def test_case(name: str, case: dict[str, Any]) -> None:
    found = violations(name, arguments(case))
    assert bool(found) == (case["expect"] != "pass"), found
    if case["expect"] == "unknown":
        assert all("plain value" in message for message in found)


def test_every_policy_has_a_case_of_each_kind() -> None:
    for rule in RULES:
        assert {case["expect"] for name, case in CASES if name == rule.name} == {"pass", "fail", "unknown"}, rule.name


def test_an_exempt_resource_is_left_alone() -> None:
    case = next(case for name, case in CASES if name == "digest-pinned-image" and case["expect"] == "fail")
    config = {"exemptions": [{"urn": "urn:pulumi:s::p::t::n", "reason": "a test"}]}
    assert violations("digest-pinned-image", arguments(case, config)) == []
