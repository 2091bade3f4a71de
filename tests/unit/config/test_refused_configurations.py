"""Configurations that a cloud, a cluster or a machine would refuse: the plan refuses each, with a complete answer."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import CASES, change, plan
from tests.unit.config.test_kubernetes import BASE as KUBERNETES
from tests.unit.config.test_plan_and_components import BASES, apply
from tests.unit.config.test_problems import check_style

REFUSED: list[dict[str, Any]] = yaml.safe_load((CASES / "refused.yaml").read_text(encoding="utf-8"))
OTHERS: dict[str, dict[str, Any]] = {
    "kubernetes": KUBERNETES,
    "local": {"platform": "local", "coordinator": {}, "workers": {}, "model": {}},
}
LONGEST_S = 2


def find_id(case: dict[str, Any]) -> str:
    return f"{case['base']}-{case['path']}={case['value']}"[:60]


def plan_or_load(base: str, path: str, value: object) -> None:
    if base in BASES:
        plan(apply(base, [(path, value)]))
    else:
        load(change(OTHERS[base], {path: value}))


@pytest.mark.parametrize("case", REFUSED, ids=find_id)
def test_a_refused_configuration_names_field_value_rule_and_fix(case: dict[str, Any]) -> None:
    base, path, value = case["base"], case["path"], case["value"]
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        plan_or_load(base, path, value)
    assert time.process_time() - began < LONGEST_S
    problems = caught.value.problems
    assert [str(problem).removeprefix("novacron:environment.") for problem in problems] == case["problems"]
    for problem in problems:
        check_style(problem)


def test_many_tags_are_answered_at_once() -> None:
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        plan(apply("aws", [("tags", {f"t{index}": "x" * 100 for index in range(45_000)})]))
    assert time.process_time() - began < LONGEST_S
    assert [problem.value for problem in caught.value.problems] == ["45000 tags"]
