"""This repository's own stacks on simulated clouds: accepted, changed, struck by faults, destroyed."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.outputs import EnvironmentOutputs
from novacron_ops.main import main
from novacron_rehearsal import PolicyPackSpec, Result

from tests.rehearsal.clouds.conftest import Site, a_site, taken

ROOT = Path(__file__).parents[3]
PACK = PolicyPackSpec(ROOT / "policy")
PROGRAM = (ROOT / "__main__.py").read_text(encoding="utf-8")
ADDON, NODE_GROUP = "aws:eks/addon:Addon", "aws:eks/nodeGroup:NodeGroup"


def environment(stack: str) -> dict[str, Any]:
    description = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    return description["config"]["novacron:environment"]


def describe(site: Site, values: dict[str, Any]) -> None:
    site.write(PROGRAM, **{"novacron:environment": values})


def changes(result: Result) -> set[tuple[str, str]]:
    """Return the step of each resource in a preview, by name, without providers."""
    assert result.succeeded, result.errors
    return {
        (step.op.value, step.urn.rsplit("::", 1)[-1])
        for step in result.steps
        if step.op.value not in ("same", "create-replacement", "delete-replaced") and ":providers:" not in step.urn
    }


def test_dev_comes_up_stays_as_it_is_and_goes_without_a_trace(site: Site) -> None:
    describe(site, environment("dev"))
    first = site.up(policy_packs=[PACK])
    assert taken(first)["create"] > 100
    assert first.policy_violations == []
    outputs = EnvironmentOutputs.model_validate(first.outputs)
    assert outputs.endpoint is None  # one region, no global DNS
    assert outputs.regions["us-west-2"].registry
    assert len(site.made("aws")) > 100
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.made("aws") == []


def two_regions() -> dict[str, Any]:
    """Dev in two regions with global DNS."""
    values = environment("dev")
    first = values["regions"][0]
    second = {
        "name": "us-east-1",
        "dns_label": "us-east",
        "network": "10.1.0.0/16",
        "zones": ["us-east-1a", "us-east-1b"],
    }
    whole = {"count": 2 * values["workers"]["count"], "minimum": 16, "maximum": 16}
    return values | {
        "primary": "us-west-2",
        "regions": [first, first | second],
        "workers": values["workers"] | whole,
        "traffic": {"domain": "api.novacron.ai"},
    }


def with_value(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    values = copy.deepcopy(values)
    *parents, last = path.split(".")
    at: Any = values
    for step in parents:
        at = at[int(step)] if step.isdigit() else at[step]
    at[last] = at[last] | value if isinstance(value, dict) and isinstance(at.get(last), dict) else value
    return values


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two regions that are up: for previews, which change nothing."""
    with a_site(tmp_path_factory.mktemp("standing")) as site:
        describe(site, two_regions())
        result = site.up()
        assert result.succeeded, result.errors
        yield site


REGIONS = ("us-west-2", "us-east-1")


def both(*names: str) -> set[tuple[str, str]]:
    """Updates of the resources with these names in each region."""
    return {("update", f"dev-{region}-{name}") for region in REGIONS for name in names}


def groups(op: str, *pools: str, zone: str = "a") -> set[tuple[str, str]]:
    """Steps of the node groups of pools in one zone of each region."""
    return {(op, f"dev-{region}-{pool}-nodes-{region[-1]}{zone}") for region in REGIONS for pool in pools}


CHECKED = ("us-west.entry.primary", "us-east.entry.primary", "us-west.spill.us-east", "us-east.spill.us-west")


def dns(*names: str) -> set[tuple[str, str]]:
    """Updates of the names' resources."""
    return {("update", f"dev-api-route53-{name}") for name in names}


CHANGES: list[tuple[str, object, set[tuple[str, str]]]] = [
    ("clusters.version", "1.35", both("cluster") | groups("update", "coordinators", "workers")),
    ("clusters.public_networks", ["203.0.113.0/24"], both("cluster")),
    ("coordinators", {"count": 2, "mode": "highly-available"}, groups("create", "coordinators", zone="b")),
    ("workers", {"count": 32, "maximum": 32}, groups("create", "workers", zone="b")),
    ("data.postgres_storage_gib", 200, both("postgres-postgres")),
    (
        "model.store.configuration_prefix",
        "settings",
        {("update", "dev-models-replication"), *both("llm-workers-role")},
    ),
    (
        "alarms",
        {"aws_topic_arns": ["arn:aws:sns:us-west-2:123456789012:on-call"]},
        {("update", f"dev-models-lag-us-east-1{of}") for of in ("", "-configuration")},
    ),
    ("model.store.prefix", "", {("update", "dev-models-replication"), *both("llm-workers-role")}),
    # The answer of the region whose weight it is not, when that one is dead.
    ("regions.0.weight", 2, {("update", "dev-api-route53-us-east.spill.us-west")}),
    ("traffic.ttl_s", 30, dns("us-west", "us-east", *CHECKED)),
    ("traffic.health_check", {"failure_threshold": 4}, dns("us-west-probe", "us-east-probe")),
    # Route 53 never changes a probe's interval: the records go over to new ones.
    (
        "traffic.health_check",
        {"interval_s": 10},
        {("replace", name) for _, name in dns("us-west-probe", "us-east-probe")} | dns(*CHECKED),
    ),
]


@pytest.mark.parametrize(("path", "value", "expected"), CHANGES, ids=[f"{row[0]}={row[1]}" for row in CHANGES])
def test_a_change_of_one_value_changes_just_this(
    standing: Site, path: str, value: object, expected: set[tuple[str, str]]
) -> None:
    describe(standing, with_value(two_regions(), path, value))
    assert changes(standing.workspace.preview(standing.options)) == expected


def test_a_further_tag_updates_what_has_tags_and_replaces_nothing(standing: Site) -> None:
    describe(standing, two_regions() | {"tags": {"Owner": "inference"}})
    tagged = {
        ("update", state.urn.rsplit("::", 1)[-1])
        for state in standing.workspace.snapshot().resources
        if state.custom and {"tags", "tagSpecifications"} & set(state.inputs)
    }
    assert changes(standing.workspace.preview(standing.options)) == tagged
    assert len(tagged) > 100


def test_without_capacity_for_the_workers_the_rest_stands_and_a_second_run_completes(site: Site) -> None:
    site.faults.write_text(f"- {{fault: capacity, type: '{NODE_GROUP}', urn: '*-workers-*', times: 1}}")
    describe(site, environment("dev"))
    first = site.up()
    assert not first.succeeded
    assert "InsufficientInstanceCapacity" in first.errors
    assert site.up().succeeded
    assert taken(site.workspace.preview(site.options)) == {}


def test_what_cannot_be_made_again_keeps_prod_from_being_destroyed(site: Site) -> None:
    values = environment("dev") | {"protected": True}
    describe(site, values)
    assert site.up().succeeded
    standing = site.made("aws")
    refused = site.workspace.destroy(site.options)
    assert not refused.succeeded
    assert site.made("aws") == standing
    describe(site, values | {"protected": False})
    assert site.up().succeeded
    assert site.workspace.destroy(site.options).succeeded
    assert site.made("aws") == []


def test_rehearsing_prod_tells_the_resources_of_each_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("__main__.py", "Pulumi.prod.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["novacron", "rehearse", "-s", "prod", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert told["simulated"] is True
    secondary = told["regions"]["eu-north-1"]
    assert told["regions"]["ap-northeast-1"] == secondary
    # Route 53 takes the keys of DNSSEC and of query logs, and the logs, in us-east-1 only.
    of_dns = {"aws:kms": 2, "aws:cloudwatch": 2}
    assert told["regions"]["us-east-1"] == {kind: count + of_dns.get(kind, 0) for kind, count in secondary.items()}
    assert told["regions"]["us-west-2"]["aws:eks"] == secondary["aws:eks"]
    assert told["plan"]["gpus"] == 128
    assert set(told["regions"]) == {*(region["name"] for region in told["plan"]["regions"]), "all regions"}
    chain = told["slow_to_create"]["longest_chain"]
    assert [link["type"] for link in chain] == ["aws:eks/cluster:Cluster", ADDON, NODE_GROUP, ADDON]
    assert told["slow_to_create"]["longest_chain_limit_min"] == 30 + 20 + 60 + 20
    assert not (tmp_path / ".novacron").exists()
