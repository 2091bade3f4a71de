from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_rehearsal.clouds.input_checks import check_input_names, check_inputs
from novacron_rehearsal.clouds.sdk import UnknownTypeError
from novacron_rehearsal.values import UNKNOWN, Asset, Secret


class Loader(yaml.SafeLoader):
    """YAML with the kinds of values that plain data cannot say."""


def _secret(loader: Any, node: Any) -> Secret:
    # A tag of one's own takes the value's type away: it is read again without.
    return Secret(yaml.safe_load(node.value) if node.style is None else node.value)


Loader.add_constructor("!unknown", lambda _loader, _node: UNKNOWN)
Loader.add_constructor("!secret", _secret)
Loader.add_constructor("!asset", lambda _loader, node: Asset(text=node.value))
CASES = yaml.load((Path(__file__).parent / "check.yaml").read_text(), Loader)  # noqa: S506 - a safe loader with more tags


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_every_input_problem_has_its_path_and_a_fix(case: dict[str, Any]) -> None:
    problems = check_inputs(case["type"], case["inputs"])
    told = {problem.property: problem.reason for problem in problems}
    assert told.keys() == case["problems"].keys(), told
    for path, part in case["problems"].items():
        assert part in told[path]
    assert {problem.property for problem in problems if not problem.certain} == set(case.get("doubted", ()))


@pytest.mark.parametrize(
    ("token", "nearest"),
    [
        ("aws:eks/nodeGrup:NodeGroup", "aws:eks/nodeGroup:NodeGroup"),
        ("gcp:container/nodePool:NodePol", "gcp:container/nodePool:NodePool"),
        ("azure-native:containerservice:AgentPol", "azure-native:containerservice:AgentPool"),
        ("kubernetes:apps/v1:Deploymnt", "kubernetes:apps/v1:Deployment"),
    ],
)
def test_an_unknown_type_is_refused_with_the_closest_known_one(token: str, nearest: str) -> None:
    with pytest.raises(UnknownTypeError, match=re.escape(f"did you mean {nearest}?")):
        check_inputs(token, {})


def test_unknown_names_in_a_providers_configuration_are_refused() -> None:
    failures = check_input_names(
        "pulumi:providers:aws", {"regoin": "x", "region": "y", "defaultTags": "{}", "version": "7"}
    )
    assert [(failure.property, "write 'region'" in failure.reason) for failure in failures] == [("regoin", True)]
