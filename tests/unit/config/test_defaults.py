"""An error about a value that the user did not write names it as a default."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import plan_environment

from tests.unit.config.environments import SMALL

LOCAL: dict[str, Any] = {"platform": "local"}
KUBERNETES: dict[str, Any] = {
    "platform": "kubernetes",
    "images": {"coordinator": "localhost/coordinator", "worker": "localhost/worker"},
}


def change(environment: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an environment with some keys of sections changed."""
    changed = copy.deepcopy(environment)
    for name, keys in sections.items():
        changed[name] = {**changed.get(name, {}), **keys}
    return changed


def limit_memory(gib: int) -> dict[str, int]:
    return {"cpu_request": 1, "cpu_limit": 1, "memory_request_gib": 1, "memory_limit_gib": gib}


def read_problems(environment: dict[str, Any]) -> dict[str, str]:
    """Return the first line of each problem, by the path below `novacron:environment`."""
    with pytest.raises(ConfigurationError) as error:
        plan_environment(load(environment))  # pyright: ignore[reportArgumentType] - only clouds get that far
    found = error.value.problems
    return {item.path.removeprefix("novacron:environment."): str(item).splitlines()[0] for item in found}


@pytest.mark.parametrize(
    ("environment", "path", "shown"),
    [
        (
            change(SMALL, coordinators={"resources": limit_memory(48)}),
            "caches.memory_gib",
            "64 (the default)",
        ),
        (change(LOCAL, coordinator={"http_port": 9090}), "coordinator.grpc_port", "9090 (the default)"),
        (change(LOCAL, coordinator={"grpc_port": 8080}), "coordinator.grpc_port", "8080:"),
        (change(LOCAL, workers={"base_port": 8080}), "coordinator.http_port", "8080 (the default)"),
        (change(KUBERNETES, workers={"shared_memory_gib": 8}), "workers.shared_memory_gib", "8:"),
        (
            change(KUBERNETES, workers={"resources": limit_memory(1)}),
            "workers.shared_memory_gib",
            "1 (the default)",
        ),
        (
            change(SMALL, coordinators={"machine": "c6i.8xlarge"}),
            "coordinators.resources.memory_request_gib",
            "64 (the default)",
        ),
    ],
)
def test_a_default_is_named_as_one(environment: dict[str, Any], path: str, shown: str) -> None:
    assert read_problems(environment)[path].startswith(f"novacron:environment.{path} = {shown}")


def test_a_value_inside_a_list_is_the_users_own() -> None:
    environment = copy.deepcopy(SMALL)
    environment["regions"][0]["weight"] = 0
    assert all("(the default)" not in line for line in read_problems(environment).values())
