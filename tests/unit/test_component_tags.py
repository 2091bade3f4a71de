"""Every public component of a cloud refuses the tags that the cloud would refuse, before it creates anything."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from novacron_infra.errors import ArgumentError
from novacron_infra.tags import Tags

REFUSED = {
    "aws": {"aws:owner": "search", "Environment": "x", "team": "a" * 257, "cost*center": "1"},
    "gcp": {"goog-owner": "search", "environment": "x", "team": "a" * 64, "cost.center": "1"},
    "azure": {"microsoftowner": "search", "Environment": "x", "team": "a" * 257, "cost center": "1"},
}
"""A reserved name, a name of NovaCron's own, a value that is too long, and a name with a wrong character."""
MOST = {"aws": 50, "gcp": 64, "azure": 15}


def list_components() -> Iterator[Any]:
    """Yield each cloud, and each component of it with tags."""
    for cloud in REFUSED:
        package = importlib.import_module(f"novacron_infra.{cloud}")
        samples = vars(importlib.import_module(f"tests.unit.{cloud}.samples")).values()
        for name in package.__all__:
            args = getattr(package, name)
            component = getattr(package, name.removesuffix("Args"), None)
            fields = {item.name for item in dataclasses.fields(args)} if dataclasses.is_dataclass(args) else set[str]()
            if name.endswith("Args") and component is not None and "tags" in fields:
                (sample, *_) = [item for item in samples if type(item) is args]
                yield pytest.param(cloud, component, sample, id=f"{cloud}-{component.__name__}")


COMPONENTS = list(list_components())


def find_problems(component: Any, sample: Any, tags: Tags) -> set[str]:
    with pytest.raises(ArgumentError) as caught:
        component("prod", dataclasses.replace(sample, tags=tags))
    return {problem.path for problem in caught.value.problems}


@pytest.mark.parametrize(("cloud", "component", "sample"), COMPONENTS)
def test_a_component_refuses_tags_that_its_cloud_refuses(cloud: str, component: Any, sample: Any) -> None:
    refused = REFUSED[cloud]
    wanted = {f"prod.tags.{name}" if "." not in name else f'prod.tags."{name}"' for name in refused}
    assert wanted <= find_problems(component, sample, Tags(environment="prod", more=refused))
    many = {f"tag-{number}": "x" for number in range(MOST[cloud])}
    assert "prod.tags" in find_problems(component, sample, Tags(environment="prod", more=many))
    assert "prod.tags.project" in find_problems(component, sample, Tags(environment="prod", project="a" * 257))


def test_every_cloud_has_components_with_tags() -> None:
    assert {cloud: sum(item.values[0] == cloud for item in COMPONENTS) >= 10 for cloud in REFUSED} == dict.fromkeys(
        REFUSED, True
    )
