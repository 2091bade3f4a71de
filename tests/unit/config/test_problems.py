"""The problems of wrong values: each has its path, the value as typed, the rule in words and a fix."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError, Problem

from tests.unit.config.environments import AZURE, BASES, CASES, SMALL, change, find_problems, plan

VALUES: list[dict[str, Any]] = yaml.safe_load((CASES / "values.yaml").read_text(encoding="utf-8"))
STACKS: dict[str, dict[str, Any]] = yaml.safe_load((CASES / "stacks.yaml").read_text(encoding="utf-8"))


def check_style(problem: Problem) -> None:
    """Every fix is whole sentences, and no rule is a regular expression."""
    assert problem.fix[0].isupper()
    assert not problem.fix.endswith(".")
    assert not problem.rule.endswith(".")
    assert "pattern" not in problem.rule
    assert "^" not in problem.rule + problem.fix
    assert "Change the value" not in problem.fix


def ids(case: dict[str, Any]) -> str:
    ((path, value),) = case["change"].items()
    return f"{path}={value}"[:60]


@pytest.mark.parametrize("case", VALUES, ids=ids)
def test_a_wrong_value_has_one_problem(case: dict[str, Any]) -> None:
    (problem,) = find_problems(change(SMALL, case["change"])).values()
    assert str(problem) == f"novacron:environment.{case['problem']}"
    check_style(problem)


@pytest.mark.parametrize("case", STACKS.values(), ids=STACKS)
def test_a_stack_with_one_fault_has_one_problem(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        plan(change(BASES[case["base"]], case["change"]))
    (problem,) = error.value.problems
    assert str(problem) == f"novacron:environment.{case['problem']}"
    check_style(problem)


def test_all_problems_are_reported_together() -> None:
    found = find_problems(
        {
            "platform": "local",
            "coordinator": {"http_port": 70000},
            "workers": {"count": -1, "threads": "two"},
            "modle": {"id": "x"},
        }
    )
    assert set(found) == {"coordinator.http_port", "workers.count", "workers.threads", "modle"}
    assert found["workers.count"].value == "-1"
    assert found["workers.count"].rule == "it must be from 1 to 64"


def test_rules_between_valid_parts_are_checked_when_another_part_is_invalid() -> None:
    values = change(SMALL, {"regions.0.weight": 0, "workers.count": 99})
    values["targets"]["throughput_tokens_per_s"]["minimum"] = -1
    assert set(find_problems(values)) == {
        "regions[us-west-2].weight",
        "workers.count",
        "targets.throughput_tokens_per_s.minimum",
    }


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"model.store": {"kind": "gcs", "bucket": "models"}}, "model.store.kind", "the object storage of aws is s3"),
        ({"model.store.bucket": "m" * 56, "regions": 2}, "model.store.bucket", "an S3 bucket has 3 to 63"),
        ({"traffic": {"domain": "novacron.ai"}}, "traffic.zone", "a top-level domain"),
    ],
)
def test_names_derived_from_several_parts_keep_the_clouds_rules(changes: dict[str, Any], path: str, rule: str) -> None:
    if changes.pop("regions", None):
        other = {"name": "ap-southeast-2", "dns_label": "ap", "network": "10.1.0.0/16"}
        zones = {"zones": ["ap-southeast-2a", "ap-southeast-2b"]}
        changes |= {
            "regions": [SMALL["regions"][0], SMALL["regions"][0] | other | zones],
            "traffic": {"domain": "api.example.com"},
        }
    found = find_problems(change(SMALL, changes))
    assert set(found) == {path}
    assert rule in found[path].rule


@pytest.mark.parametrize(
    ("values", "path", "suggestion"),
    [
        ({"platform": "local", "worker": {}}, "worker", "workers"),
        ({"platform": "local", "workers": {"basePort": 1}}, "workers.basePort", "base_port"),
        (change(SMALL, {"model.context_token": 1}), "model.context_token", "context_tokens"),
        (
            change(SMALL, {"model.profiles.0.quantisation": "int8"}),
            "model.profiles[balanced].quantisation",
            "quantization",
        ),
    ],
)
def test_a_misspelt_key_suggests_the_right_one(values: dict[str, Any], path: str, suggestion: str) -> None:
    assert find_problems(values)[path].fix == f"Did you mean {suggestion}?"


def test_a_misspelt_key_that_is_required_is_one_problem() -> None:
    values = change(SMALL, {})
    values["regions"][0]["wieght"] = values["regions"][0].pop("weight")
    ((path, problem),) = find_problems(values).items()
    assert (path, problem.fix) == ("regions[us-west-2].wieght", "Did you mean weight?")


def test_a_key_that_only_resembles_a_missing_one_leaves_it_missing() -> None:
    values = change(SMALL, {"workers.zzz": 1})
    del values["workers"]["maximum"]
    assert set(find_problems(values)) == {"workers.zzz", "workers.maximum"}


def test_a_missing_key_has_no_value_in_the_message() -> None:
    values = change(SMALL, {})
    del values["regions"]
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    (problem,) = caught.value.problems
    assert problem.value is None
    assert str(problem).startswith("novacron:environment.regions is missing: this key is required. Add it (regions: ")


def test_an_unknown_key_does_not_hide_the_rules_on_its_section() -> None:
    values = change(SMALL, {"workers.zzz": 1, "workers.count": 99, "regions.0.zzz": 1, "regions.0.weight": 0})
    assert set(find_problems(values)) == {
        "workers.zzz",
        "workers.count",
        "regions[us-west-2].zzz",
        "regions[us-west-2].weight",
    }


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["us-west-2"], "regions[us-west-2].weight"),
        (["us.west[2]"], 'regions["us.west[2]"].weight'),
        (["us-west-2", "us-west-2"], "regions.0.weight"),
        ([None], "regions.0.weight"),
        ([5], "regions.0.weight"),
        (["x" * 61], "regions.0.weight"),
    ],
)
def test_a_region_is_named_unless_the_name_does_not_identify_it(names: list[object], path: str) -> None:
    regions = [SMALL["regions"][0] | {"name": name} for name in names]
    values = change(SMALL, {"regions": regions, "regions.0.weight": "x"})
    assert path in find_problems(values)


@pytest.mark.parametrize(
    ("path", "value", "rule", "fix"),
    [
        ("autoscaling.requests_per_replica", 0, "it must be 1 or more", "Use 1 or more"),
        ("monitoring.traces.sampled_fraction", 0, "it must be more than 0 and at most 1", "Use more than 0 and"),
        ("workers.shared_memory_gib", 0, "it must be 0.001 or more", "Use 0.001 or more"),
        ("model.kv_cache_fraction", 1, "it must be more than 0 and less than 1", "Use more than 0 and less than 1"),
        ("coordinators.http_port", 80, "it must be from 1024 to 65535", "Use a number from 1024 to 65535"),
        ("regions.0.weight", 256, "it must be from 0 to 255", "Use a number from 0 to 255"),
        ("workers.gpus_per_worker", 0.5, "it must be a whole number", "Write it in digits, without quotes"),
        ("autoscaling.kv_cache_full_fraction", "high", "it must be a number", "Write it in digits, without quotes"),
        ("monitoring.retention_days", [], "it must be a whole number", "Write it in digits, without quotes"),
        ("model.kv_cache", "fp4", "it is not a valid value", "Use bf16 or fp8"),
        ("regions.0.dns_label", "us_west", "a DNS label has lower-case letters", "Write it like us-west"),
        ("regions.0.dns_label", " US", "a DNS label has lower-case letters", "Write it as us"),
        ("clusters.version", "latest", "a Kubernetes version is written", "Write it like 1.35"),
        ("clusters.version", 1.34, "it must be text", "Write text, and put numbers"),
        ("accounts.aws_account_id", "1234", "an AWS account id has 12 digits", "Write it like 123456789012"),
        ("images.worker", {"repository": "W", "tag": "1"}, "a repository is a registry and a path", "Write it as w"),
    ],
)
def test_the_rule_of_a_field_is_in_words_with_an_accepted_value(path: str, value: object, rule: str, fix: str) -> None:
    sections = {"autoscaling": {}, "accounts": {}, "images": {}, "monitoring": {"traces": {"endpoint": "http://otel"}}}
    (problem,) = find_problems(change(SMALL | sections, {path: value})).values()
    assert problem.rule.startswith(rule)
    assert problem.fix.startswith(fix)
    check_style(problem)


@pytest.mark.parametrize("platform", ["AWS", " aws", "Aws\n"])
def test_a_choice_in_another_case_or_with_spaces_is_suggested_alone(platform: str) -> None:
    assert find_problems({"platform": platform})["platform"].fix == "Write it as aws"


@pytest.mark.parametrize("platform", [None, "lokal", "amazon"])
def test_an_unknown_platform_lists_the_platforms(platform: str | None) -> None:
    assert "local, aws, gcp, azure" in find_problems({"platform": platform})["platform"].fix


def test_an_unknown_platform_is_reported_without_blaming_machines_and_regions() -> None:
    values = change(SMALL, {"workers.machine": "a3-highgpu-8g"}) | {"platform": "gpc"}
    values["regions"][0]["name"] = "us-central1"
    values["model"]["context_tokens"] = -1
    assert set(find_problems(values)) == {"platform", "model.context_tokens"}


@pytest.mark.parametrize("mode", ["single", "highly-available", "active-active-standby"])
def test_values_of_enumerations_are_printed_as_they_are_typed(mode: str) -> None:
    count = 3 if mode == "single" else 1
    problem = find_problems(change(SMALL, {"coordinators.mode": mode, "coordinators.count": count}))[
        "coordinators.mode"
    ]
    assert problem.value == mode
    assert "Single" not in problem.fix
    suggested = problem.fix.removeprefix("Set the mode to ").partition(",")[0].split(" or ")
    for value in suggested:
        load(change(SMALL, {"coordinators.mode": value, "coordinators.count": count}))


@pytest.mark.parametrize("name", ["P5.48XLARGE", "P5.48xlarge", "p5.48XLARGE"])
def test_a_machine_in_another_case_suggests_only_the_right_spelling(name: str) -> None:
    problem = find_problems(change(SMALL, {"workers.machine": name}))["workers.machine"]
    assert problem.fix == "Names are case-sensitive: use p5.48xlarge"


@pytest.mark.parametrize(("base", "strangers"), [(SMALL, ("a3", "Standard")), (AZURE, ("a3", "p5"))])
def test_suggested_machines_are_of_the_regions_cloud(base: dict[str, Any], strangers: tuple[str, ...]) -> None:
    for name in ("h100", "p5.48xlrage", "Standard_ND96", "a3-highgpu-8g", "c6i.8xlarge"):
        problem = find_problems(change(base, {"workers.machine": name})).get("workers.machine")
        assert problem is not None
        assert not any(f" {stranger}" in problem.fix for stranger in strangers)


@pytest.mark.parametrize(
    ("counts", "path", "fix"),
    [
        ((8, 9, 3), "workers.minimum", "Use 3 or less, or raise the maximum"),
        ((2, 4, 8), "workers.count", "Use 4 or more, or lower the minimum"),
        ((9, 4, 8), "workers.count", "Use 8 or less, or raise the maximum"),
        ((9, 8, 8), "workers.count", "Use 8 or less, or raise the maximum"),
    ],
)
def test_bounds_of_workers_in_a_message_are_in_order(counts: tuple[int, int, int], path: str, fix: str) -> None:
    names = dict(zip(("workers.count", "workers.minimum", "workers.maximum"), counts, strict=True))
    found = find_problems(change(SMALL, names))
    assert set(found) == {path}
    assert found[path].fix == fix


@pytest.mark.parametrize(
    ("network", "rule", "fix"),
    [
        ("172.18.7.9/16", "it is the address of a host in 172.18.0.0/16, not a network", "Use 172.18.0.0/16"),
        ("10.0.0.1/17", "it is the address of a host in 10.0.0.0/17, not a network", "Use 10.0.0.0/17"),
        (
            "8.8.8.8/16",
            "it is the address of a host in 8.8.0.0/16, not a network; 8.8.0.0/16 is not in a private range",
            "Use a private network like",
        ),
        (
            "172.16.5.0/12",
            "it is the address of a host in 172.16.0.0/12, not a network; a region's network is /16 to /20",
            "Use a private network like",
        ),
        (
            "10.1.2.3/8",
            "it is the address of a host in 10.0.0.0/8, not a network; a region's network is /16 to /20",
            "Use a private network like",
        ),
        (
            "8.8.8.8/8",
            "it is the address of a host in 8.0.0.0/8, not a network; 8.0.0.0/8 is not in a private range; a region's "
            "network is /16 to /20",
            "Use a private network like",
        ),
        ("8.8.0.0/16", "it is not in a private range: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "Use one like"),
        ("10.0.0.0/24", "a region's network on aws is /16 to /20, and this one is smaller", "Use a larger one"),
        ("10.0.0.0.0/16", "it is not an IPv4 network", "Write it like 10.0.0.0/16"),
        ("fd00::/16", "it is not an IPv4 network", "Write it like 10.0.0.0/16"),
    ],
)
def test_a_wrong_network_names_the_rule_that_it_breaks(network: str, rule: str, fix: str) -> None:
    problem = find_problems(change(SMALL, {"regions.0.network": network}))["regions[us-west-2].network"]
    assert problem.rule == rule
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize("number", [9, 10, 11, 999])
def test_the_message_shows_ten_problems_of_a_list_and_counts_the_others(number: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(change(SMALL, {"clusters.admins": [1] * number}))
    assert len(caught.value.problems) == number
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == min(number, 11)
    last = f"  - novacron:environment.clusters.admins: {number - 10} more items have problems"
    assert (lines[-1] == last) is (number > 10)


def test_problems_outside_of_a_long_list_are_all_shown() -> None:
    values = change(SMALL, {"clusters.admins": [1] * 50, "workers.count": "eight", "regions.0.zones": ["a"] * 30})
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    assert "workers.count = eight" in str(caught.value)
    assert "clusters.admins: 40 more items" in str(caught.value)


@pytest.mark.parametrize(
    ("tags", "path", "value"),
    [
        ({"": "x"}, "tags", '""'),
        ({"owner": ""}, "tags.owner", '""'),
        ({"a.b": ""}, 'tags."a.b"', '""'),
        ({"owner": 5}, "tags.owner", "5"),
        ({"Project": "x"}, "tags.Project", "x"),
    ],
)
def test_paths_of_tags_are_written_as_the_user_wrote_them(tags: dict[str, object], path: str, value: str) -> None:
    ((found, problem),) = find_problems(change(SMALL, {"tags": tags})).items()
    assert (found, problem.value) == (path, value)
    check_style(problem)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("single", "single"),
        ("5", '"5"'),
        ("true", '"true"'),
        ("2026-01-01", '"2026-01-01"'),
        (" x", '" x"'),
        (5, "5"),
        (2.0, "2.0"),
        (-0.0, "-0.0"),
        ("us\u200b", '"us\\u200b"'),
        ("ftp://ann:hunter2@files.example.com", "ftp://ann:(hidden)@files.example.com"),
        (0.25, "0.25"),
        (True, "true"),
        ({"password": "hunter2"}, "a mapping"),
        (["hunter2"], "a list"),
    ],
)
def test_values_are_shown_as_a_person_types_them(value: object, shown: str) -> None:
    assert find_problems(change(SMALL, {"model.id": value}))["model.id"].value == shown


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("secrets", {"database_password": "hunter2"}),
        ("grafana_password", "hunter2"),
        ("databasePassword", "hunter2"),
        ("data", {"postgres_password": "hunter2"}),
        ("data", {"redis_nodes": {"password": "hunter2"}}),
        ("coordinators.api_key", "hunter2"),
        ("coordinators.token", "hunter2"),
        ("monitoring", {"grafana_passwd": {"secure": "hunter2"}}),
    ],
)
def test_a_plain_secret_is_rejected_and_not_repeated(path: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(change(SMALL, {path: value}))
    assert "hunter" not in str(caught.value)


def test_every_region_that_lacks_the_machine_is_reported() -> None:
    regions = [
        AZURE["regions"][0] | {"name": name, "dns_label": name, "network": f"10.{index}.0.0/16"}
        for index, name in enumerate(("northeurope", "westus3", "francecentral"))
    ]
    found = find_problems(change(AZURE, {"regions": regions}))
    assert [(path, problem.value) for path, problem in found.items()] == [
        ("regions[northeurope].name", "northeurope"),
        ("regions[francecentral].name", "francecentral"),
    ]
