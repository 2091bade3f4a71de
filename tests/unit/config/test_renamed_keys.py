"""Configuration keys that have a new name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from novacron_infra.config import load
from novacron_infra.config.renamed_keys import RENAMED_KEYS
from novacron_infra.config.schema import create_schemas
from novacron_infra.errors import ConfigurationError

OLD_CLUSTER: dict[str, Any] = {"platform": "aws", "clusters": {"in_cluster": True}, "coordinators": {}}
OLD_REGION: dict[str, Any] = {"platform": "aws", "regions": [{"name": "us-west-2"}, {"elsewhere": {}}]}


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        (OLD_CLUSTER, "clusters.in_cluster", "clusters.add_ons"),
        (OLD_REGION, "regions.1.elsewhere", "regions.1.overrides"),
    ],
)
def test_a_renamed_key_is_rejected_with_its_new_name(values: dict[str, Any], old: str, new: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(copy.deepcopy(values))
    problems = {problem.path: problem for problem in caught.value.problems}
    problem = problems[f"novacron:environment.{old}"]
    assert (problem.rule, problem.fix) == ("this key has a new name", f"Rename it to {new}")


@pytest.mark.parametrize("new", RENAMED_KEYS.values())
def test_the_new_name_of_every_renamed_key_exists(new: str) -> None:
    kinds = ("CloudEnvironment", "LocalEnvironment", "KubernetesEnvironment")
    schema = next(schema for path, schema in create_schemas().items() if path.name == "environment.schema.json")
    found = [kind for kind in kinds if _has_key(schema["$defs"], schema["$defs"][kind], new.split("."))]
    assert found, f"{new} is not a key of a stack file"


def _has_key(definitions: dict[str, Any], owner: dict[str, Any], steps: list[str]) -> bool:
    if not steps:
        return True
    inner = owner["items"] if steps[0] == "*" else owner.get("properties", {}).get(steps[0])
    if inner is None:
        return False
    references = [inner, *inner.get("anyOf", []), *inner.get("oneOf", [])]
    named = [definitions[item["$ref"].rsplit("/", 1)[1]] for item in references if "$ref" in item]
    return any(_has_key(definitions, item, steps[1:]) for item in (*named, inner))
