"""Configurations that grow when they are read: each is rejected quickly and with a clear message."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import SMALL, change


def alias_bomb(levels: int) -> Any:
    """Lists of nine aliases of the list below, as a YAML reader builds them: small in memory, 9^levels values."""
    value: Any = ["x"] * 9
    for _ in range(levels):
        value = [value] * 9
    return value


def nest(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def shared_anchor() -> Any:
    return yaml.safe_load("&a {platform: aws, model: *a}")


def list_in_itself() -> Any:
    value: list[Any] = []
    value.append({"x": value})
    return {"platform": "aws", "regions": value}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"platform": "aws", "tags": alias_bomb(9)}, "more than 100,000 values once its YAML aliases are expanded"),
        ({"platform": "aws", "tags": alias_bomb(30)}, "more than 100,000 values once its YAML aliases are expanded"),
        ({"platform": "aws", "tags": nest(3000)}, "nested more than 100 levels deep"),
        ({"platform": "aws", "tags": nest(200_000)}, "nested more than 100 levels deep"),
        (shared_anchor(), "a YAML anchor contains an alias of itself"),
        (list_in_itself(), "a YAML anchor contains an alias of itself"),
        ("[" * 5000, "it must be a mapping"),
    ],
    ids=["aliases", "many aliases", "deep", "very deep", "anchor in itself", "list in itself", "deep JSON text"],
)
def test_a_configuration_that_grows_is_rejected(values: object, rule: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    assert time.process_time() - began < 5
    (problem,) = caught.value.problems
    assert rule in problem.rule
    assert len(str(caught.value)) < 500


def test_ordinary_anchors_and_aliases_are_expanded() -> None:
    latency = {"p50": 1, "p95": 2}
    targets = SMALL["targets"] | {"time_to_first_token_s": latency, "inter_token_latency_s": latency}
    for values in (SMALL | {"targets": targets}, json.dumps(SMALL | {"targets": targets})):
        config: Any = load(values)
        assert (config.targets.time_to_first_token_s.p95, config.targets.inter_token_latency_s.p95) == (2, 2)


def test_a_long_list_of_values_is_accepted() -> None:
    admins = [f"arn:aws:iam::123456789012:role/operator-{index}" for index in range(5000)]
    config: Any = load(change(SMALL, {"clusters.admins": admins}))
    assert len(config.clusters.admins) == 5000
