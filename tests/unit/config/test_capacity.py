"""Rules for `workers.capacity` and `regions[].worker_capacity`."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import SMALL, read_stack

BLOCK = {
    "kind": "capacity-block",
    "reservation_id": "cr-0123456789abcdef0",
    "start": "2026-12-01T11:30:00Z",
    "end": "2026-12-08T11:30:00Z",
    "zones": ["us-west-2b"],
}
RESERVATION = {"kind": "reservation", "reservation_id": "cr-0123456789abcdef0", "zones": ["us-west-2a"]}
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/capacityReservationGroups/h100"


def one_region(stack: str, machine: str, capacity: dict[str, Any] | None, **region: Any) -> dict[str, Any]:
    """Return the first region of a stack alone, with a machine for its workers and the way to buy it."""
    values = copy.deepcopy(SMALL if stack == "small" else read_stack(stack, "examples/environments"))
    values["regions"] = [values["regions"][0] | region]
    values["workers"]["machine"] = machine
    if capacity is not None:
        values["workers"]["capacity"] = capacity
    return values


def find_problems(values: dict[str, Any]) -> dict[str, str]:
    """Return the problems of the capacity by their paths below the environment."""
    try:
        load(values)
    except ConfigurationError as error:
        found = {item.path.removeprefix("novacron:environment."): str(item) for item in error.problems}
        return {path: text for path, text in found.items() if "capacity" in path}
    return {}


@pytest.mark.parametrize(
    ("stack", "machine", "capacity", "zone"),
    [
        ("small", "p5.48xlarge", None, None),
        ("small", "p5.48xlarge", {"kind": "spot", "fraction": 0.5}, None),
        ("small", "p5.48xlarge", RESERVATION | {"placement_group": "research", "usd_per_hour": 40}, None),
        ("small", "p5.48xlarge", BLOCK | {"fallback": "on-demand"}, None),
        ("small", "p5e.48xlarge", BLOCK, None),
        ("prod-gcp", "a3-highgpu-1g", {"kind": "flex-start", "max_run_hours": 24}, None),
        ("prod-gcp", "a3-ultragpu-8g", {"kind": "flex-start", "placement": "cluster"}, "us-central1-b"),
        ("prod-gcp", "a4-highgpu-8g", {"kind": "reservation", "reservation_id": "b200"}, "us-central1-b"),
        ("prod-gcp", "a4-highgpu-8g", {"kind": "queued", "queue": "workers"}, "us-central1-b"),
        ("prod-azure", "Standard_ND96isr_H100_v5", {"kind": "spot", "fraction": 0.3}, None),
    ],
)
def test_capacities_that_are_sold_are_accepted(
    stack: str, machine: str, capacity: dict[str, Any] | None, zone: str | None
) -> None:
    region = {} if zone is None else {"zones": [zone]}
    assert find_problems(one_region(stack, machine, capacity, **region)) == {}


@pytest.mark.parametrize(
    ("stack", "machine", "capacity", "path", "message"),
    [
        (
            "prod-gcp",
            "a3-highgpu-1g",
            None,
            "workers.capacity.kind",
            "gcp does not sell a3-highgpu-1g as on-demand (Google Cloud",
        ),
        (
            "prod-gcp",
            "a3-ultragpu-8g",
            None,
            "workers.capacity.kind",
            "Set workers.capacity.kind to reservation or flex-start or queued",
        ),
        ("prod-gcp", "a4-highgpu-8g", {"kind": "on-demand"}, "workers.capacity.kind", "a4-highgpu-8g as on-demand ("),
        (
            "prod-gcp",
            "a4-highgpu-8g",
            {"kind": "spot", "fraction": 0.5},
            "workers.capacity.kind",
            "spot has a floor of on-demand machines, and a4-highgpu-8g is not sold on demand",
        ),
        ("small", "p5e.48xlarge", None, "workers.capacity.kind", "Set workers.capacity.kind to capacity-block or"),
        ("small", "p5.48xlarge", {"kind": "flex-start"}, "workers.capacity.kind", "p5.48xlarge as flex-start"),
        (
            "prod-azure",
            "Standard_ND96isr_H100_v5",
            {"kind": "reservation", "reservation_id": GROUP},
            "workers.capacity.kind",
            "reservations do not support the ND series",
        ),
        (
            "prod-gcp",
            "a3-highgpu-8g",
            {"kind": "flex-start", "placement": "cluster"},
            "workers.capacity.placement",
            "flex-start machines of type a3-highgpu-8g cannot be placed close together",
        ),
        (
            "prod-gcp",
            "a4-highgpu-8g",
            {"kind": "queued", "queue": "workers"},
            "workers.capacity.zones",
            "us-central1-a does not sell a4-highgpu-8g",
        ),
        (
            "small",
            "p5.48xlarge",
            RESERVATION | {"zones": ["us-west-2d"]},
            "workers.capacity.zones",
            "us-west-2d is not in the zones of region us-west-2 (us-west-2a, us-west-2b)",
        ),
        ("small", "p5.48xlarge", RESERVATION | {"zones": []}, "workers.capacity.zones", "a reservation is in one zone"),
        (
            "small",
            "p5.48xlarge",
            RESERVATION | {"reservation_id": "h100"},
            "workers.capacity.reservation_id",
            "it is not the id of a reservation on aws. Write it as cr-0123456789abcdef0",
        ),
        (
            "small",
            "p5.48xlarge",
            BLOCK | {"end": "2026-12-01T11:30:00Z"},
            "workers.capacity.end",
            "it is not after start, 2026-12-01T11:30:00+00:00",
        ),
        (
            "small",
            "p5e.48xlarge",
            BLOCK | {"fallback": "on-demand"},
            "workers.capacity.fallback",
            "p5e.48xlarge is not sold on demand",
        ),
    ],
)
def test_what_is_not_sold_is_refused_with_a_fix(
    stack: str, machine: str, capacity: dict[str, Any] | None, path: str, message: str
) -> None:
    found = find_problems(one_region(stack, machine, capacity))
    assert message in found[path]


def test_a_reservation_belongs_to_one_region() -> None:
    values = read_stack("prod")
    values["workers"]["capacity"] = RESERVATION
    assert (
        "would share it. Write worker_capacity of each region"
        in find_problems(values)["workers.capacity.reservation_id"]
    )
    values["workers"].pop("capacity")
    values["regions"][0]["worker_capacity"] = RESERVATION
    values["regions"][1]["worker_capacity"] = BLOCK | {"zones": ["us-east-1a"]}
    assert find_problems(values) == {}


def test_a_problem_of_a_region_has_the_path_of_the_region() -> None:
    values = read_stack("prod")
    values["regions"][1]["worker_capacity"] = {"kind": "flex-start"}
    assert list(find_problems(values)) == ["regions[us-east-1].worker_capacity.kind"]
