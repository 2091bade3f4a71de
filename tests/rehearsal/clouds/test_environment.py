"""This repository's own stacks on simulated clouds: accepted, struck by faults, destroyed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.outputs import EnvironmentOutputs
from novacron_ops.main import main
from novacron_rehearsal import PolicyPackSpec, Result

from tests.rehearsal.clouds.conftest import Site, taken

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
