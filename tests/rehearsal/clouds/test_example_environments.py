"""Production on Google Cloud and on Azure: up, as it is described and as policies ask, and gone.

Production over three clouds is in test_region_serving.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_infra.outputs import EnvironmentOutputs
from novacron_rehearsal import PolicyPackSpec

from tests.rehearsal.clouds.conftest import Site, taken
from tests.unit.config.environments import read_stack

ROOT = Path(__file__).parents[3]
PACK = PolicyPackSpec(ROOT / "policy")
PROGRAM = (ROOT / "examples/environments/__main__.py").read_text(encoding="utf-8")
CLOUDS = {"prod-gcp": "gcp", "prod-azure": "azure-native"}


@pytest.mark.parametrize("stack", CLOUDS)
def test_production_comes_up_stays_as_it_is_and_goes_without_a_trace(site: Site, stack: str) -> None:
    values = read_stack(stack, "examples/environments") | {"protected": False}
    site.write(PROGRAM, **{"novacron:environment": values})
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    outputs = EnvironmentOutputs.model_validate(first.outputs)
    assert set(outputs.regions) == {region["name"] for region in values["regions"]}
    assert outputs.endpoint == "https://api.novacron.ai"
    assert outputs.rto_s is not None
    assert outputs.rto_s <= values["traffic"]["rto_target_s"]
    assert len(site.made(CLOUDS[stack])) > 50
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.left(CLOUDS[stack]) == []
