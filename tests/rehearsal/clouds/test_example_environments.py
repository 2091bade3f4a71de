"""Production on Google Cloud, on Azure and over three clouds: up, as it is described, and gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.outputs import EnvironmentOutputs

from tests.rehearsal.clouds.conftest import Site, taken

EXAMPLES = Path(__file__).parents[3] / "examples" / "environments"
PROGRAM = (EXAMPLES / "__main__.py").read_text(encoding="utf-8")
CLOUDS = {"prod-gcp": ["gcp"], "prod-azure": ["azure-native"], "prod-mixed": ["aws", "gcp", "azure-native"]}


def described(stack: str) -> dict[str, Any]:
    text = (EXAMPLES / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]["novacron:environment"]


@pytest.mark.parametrize("stack", list(CLOUDS))
def test_production_comes_up_stays_as_it_is_and_goes_without_a_trace(site: Site, stack: str) -> None:
    values = described(stack) | {"protected": False}
    site.write(PROGRAM, **{"novacron:environment": values})
    first = site.up()
    assert first.succeeded, first.errors
    outputs = EnvironmentOutputs.model_validate(first.outputs)
    assert set(outputs.regions) == {region["name"] for region in values["regions"]}
    assert outputs.endpoint == "https://api.novacron.ai"
    assert outputs.rto_s is not None
    assert outputs.rto_s <= values["traffic"]["rto_target_s"]
    assert all(len(site.made(cloud)) > 50 for cloud in CLOUDS[stack])
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert [site.made(cloud) for cloud in CLOUDS[stack]] == [[] for _ in CLOUDS[stack]]
