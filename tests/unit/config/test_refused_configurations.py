"""Configurations that a cloud, a cluster or a machine would refuse: the plan refuses each, with a complete answer."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from novacron_infra.config import KubernetesEnvironment, load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import plan_own_environment

from tests.unit.config.environments import CASES, change, plan
from tests.unit.config.test_kubernetes import BASE as KUBERNETES
from tests.unit.config.test_plan_and_components import BASES, apply
from tests.unit.config.test_problems import check_style

REFUSED: list[dict[str, Any]] = yaml.safe_load((CASES / "refused.yaml").read_text(encoding="utf-8"))
OTHERS: dict[str, dict[str, Any]] = {
    "kubernetes": KUBERNETES,
    "gpu": {name: section for name, section in KUBERNETES.items() if name != "workers"}
    | {
        "model": {"id": "llama-3.1-405b", "url": "s3://models/llama"},
        "gpu_workers": {"machine": "p5.48xlarge", "quantization": "fp8", "context_tokens": 16_384},
    },
    "local": {"platform": "local", "coordinator": {}, "workers": {}, "model": {}},
}
LONGEST_S = 2


def find_id(case: dict[str, Any]) -> str:
    return f"{case['base']}-{case['path']}={case['value']}"[:60]


def plan_or_load(base: str, path: str, value: object) -> None:
    if base in BASES:
        plan(apply(base, [(path, value)]))
        return
    config = load(change(OTHERS[base], {path: value}))
    if isinstance(config, KubernetesEnvironment):
        plan_own_environment(config)


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


def test_many_regions_are_answered_at_once() -> None:
    region = BASES["aws"]["regions"][0]
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        plan(apply("aws", [("regions", [region | {"name": f"us-west-{index}"} for index in range(999)])]))
    assert time.process_time() - began < LONGEST_S
    assert len(str(caught.value).splitlines()) < 100


def test_letters_that_look_like_others_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan(apply("aws", [("environment", "d\u0435v")]))
    assert "\u0435 is CYRILLIC SMALL LETTER IE" in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        plan(apply("aws", [("clusters.version", "1.\uff13\uff14")]))
    assert "\uff13 is FULLWIDTH DIGIT THREE" in str(caught.value)
