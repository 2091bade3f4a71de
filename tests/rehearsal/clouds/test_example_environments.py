"""Production on Google Cloud, on Azure and over three clouds: up, as it is described and as policies ask, and gone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.outputs import EnvironmentOutputs
from novacron_rehearsal import PolicyPackSpec, Workspace

from tests.rehearsal.clouds.conftest import Site, taken

ROOT = Path(__file__).parents[3]
PACK = PolicyPackSpec(ROOT / "policy")
EXAMPLES = ROOT / "examples" / "environments"
PROGRAM = (EXAMPLES / "__main__.py").read_text(encoding="utf-8")
CLOUDS = {"prod-gcp": ["gcp"], "prod-azure": ["azure-native"], "prod-mixed": ["aws", "gcp", "azure-native"]}


def described(stack: str) -> dict[str, Any]:
    folder = EXAMPLES if stack in CLOUDS else ROOT
    text = (folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]["novacron:environment"]


@pytest.mark.parametrize("stack", list(CLOUDS))
def test_production_comes_up_stays_as_it_is_and_goes_without_a_trace(site: Site, stack: str) -> None:
    values = described(stack) | {"protected": False}
    site.write(PROGRAM, **{"novacron:environment": values})
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    outputs = EnvironmentOutputs.model_validate(first.outputs)
    assert set(outputs.regions) == {region["name"] for region in values["regions"]}
    assert outputs.endpoint == "https://api.novacron.ai"
    assert outputs.rto_s is not None
    assert outputs.rto_s <= values["traffic"]["rto_target_s"]
    assert all(len(site.made(cloud)) > 50 for cloud in CLOUDS[stack])
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert [left for cloud in CLOUDS[stack] for left in site.left(cloud)] == []


def beside(values: dict[str, Any]) -> dict[str, Any]:
    """The same environment for staging: what its user names, which is unique in the world, has other names."""
    text = yaml.safe_dump(values | {"environment": "staging"})
    named = re.sub(r"(?<=bucket: )novacron", "staging", text).replace("api.novacron.ai", "api.staging.example")
    return yaml.safe_load(named)


@pytest.mark.parametrize("stack", ["prod", "prod-gcp", "prod-azure"])
def test_two_environments_of_one_account_and_region_have_no_name_in_common(site: Site, stack: str) -> None:
    # The simulated clouds refuse a name that is taken, as the clouds do.
    values = described(stack)
    values["regions"] = values["regions"][:2]  # a source of copies and a target
    site.write(PROGRAM, **{"novacron:environment": values})
    first = site.up()
    assert first.succeeded, first.errors
    cloud = CLOUDS.get(stack, ["aws"])[0]
    alone = len(site.left(cloud))
    (site.folder / "Pulumi.staging.yaml").write_text(json.dumps({"config": {"novacron:environment": beside(values)}}))
    second = Workspace(site.folder, "staging", passphrase="correct horse").up(site.options)
    assert second.succeeded, second.errors
    assert len(site.left(cloud)) == 2 * alone
