"""Any content of a stack file gives an environment, or problems with a path, a value, a rule and a fix."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import plan_environment, plan_to_json
from novacron_ops.plan_report import describe_plan

from tests.unit.config.environments import PROD


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value inside a nested value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def put(values_: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Return a copy with another value at that path."""
    changed = copy.deepcopy(values_)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 200_000)
    | st.floats()
    | st.floats(0, 1)
    | st.text(max_size=5)
    | st.sampled_from(["aws", "gcp", "p4d.24xlarge", "a2-highgpu-1g", "Standard_L80s_v3", "int4", "fp32", "pytorch"])
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.sampled_from(list(places(PROD))), anything), min_size=1, max_size=2))
def test_any_value_at_any_key_gives_an_environment_or_problems(
    changes: list[tuple[tuple[str | int, ...], object]],
) -> None:
    description = PROD
    for path, value in sorted(changes, key=lambda change: -len(change[0])):
        description = put(description, path, value)
    try:
        config = load(description)
        if isinstance(config, CloudEnvironment):
            plan = plan_environment(config)
            assert describe_plan(plan)
            assert plan_to_json(plan)["gpus"] == plan.gpus
    except ConfigurationError as error:
        problems = error.problems
        assert problems
        assert all(item.path and item.value != "" and item.rule and item.fix for item in problems)
