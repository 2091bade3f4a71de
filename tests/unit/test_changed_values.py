"""Changes of one value in two regions: they change the resources that are listed here, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_rehearsal.events import StepOp

from tests.unit.config.environments import change, read_stack
from tests.unit.simulated_stack import Deployment, deploy
from tests.unit.test_identity import make_environment


def two_regions() -> dict[str, Any]:
    """Dev in two regions with global DNS."""
    values = read_stack("dev")
    first = values["regions"][0]
    second = {
        "name": "us-east-1",
        "dns_label": "us-east",
        "network": "10.1.0.0/16",
        "zones": ["us-east-1a", "us-east-1b"],
    }
    whole = {"count": 2 * values["workers"]["count"], "minimum": 16, "maximum": 16}
    return values | {
        "primary": "us-west-2",
        "regions": [first, first | second],
        "clusters": values["clusters"] | {"version": "1.34"},
        "workers": values["workers"] | whole,
        "traffic": {"domain": "api.novacron.ai"},
    }


REGIONS = ("us-west-2", "us-east-1")


def both(*names: str) -> set[tuple[str, str]]:
    """Updates of the resources with these names in each region."""
    return {("update", f"dev-{region}-{name}") for region in REGIONS for name in names}


def groups(op: str, *pools: str, zone: str = "a") -> set[tuple[str, str]]:
    """Steps of the node groups of pools in one zone of each region."""
    return {(op, f"dev-{region}-{pool}-nodes-{region[-1]}{zone}") for region in REGIONS for pool in pools}


CHECKED = ("us-west.entry.primary", "us-east.entry.primary", "us-west.spill.us-east", "us-east.spill.us-west")


def dns(*names: str) -> set[tuple[str, str]]:
    """Updates of the names' resources."""
    return {("update", f"dev-api-route53-{name}") for name in names}


CHANGES: list[tuple[dict[str, object], set[tuple[str, str]]]] = [
    ({"clusters.version": "1.35"}, both("cluster") | groups("update", "coordinators", "workers")),
    ({"clusters.public_networks": ["203.0.113.0/24"]}, both("cluster")),
    ({"coordinators.count": 2, "coordinators.mode": "highly-available"}, groups("create", "coordinators", zone="b")),
    ({"workers.count": 32, "workers.maximum": 32}, groups("create", "workers", zone="b")),
    ({"data.postgres_storage_gib": 200}, both("postgres-postgres")),
    (
        {"model.store.configuration_prefix": "settings"},
        {("update", "dev-models-replication"), *both("llm-workers-role")},
    ),
    (
        {"alarms": {"aws_topic_arns": ["arn:aws:sns:us-west-2:123456789012:on-call"]}},
        {("update", f"dev-models-lag-us-east-1{of}") for of in ("", "-configuration")},
    ),
    ({"model.store.prefix": ""}, {("update", "dev-models-replication"), *both("llm-workers-role")}),
    # The answer of the region whose weight it is not, when that one is dead.
    ({"regions.0.weight": 2}, {("update", "dev-api-route53-us-east.spill.us-west")}),
    ({"traffic.ttl_s": 30}, dns("us-west", "us-east", *CHECKED)),
    ({"traffic.health_check": {"failure_threshold": 4}}, dns("us-west-probe", "us-east-probe")),
    # Route 53 never changes a probe's interval: the records go over to new ones.
    (
        {"traffic.health_check": {"interval_s": 10}},
        {("replace", name) for _, name in dns("us-west-probe", "us-east-probe")} | dns(*CHECKED),
    ),
]


@pytest.fixture(scope="module")
def standing() -> Deployment:
    """The two regions, deployed."""
    return deploy(two_regions())


def list_changes(values: dict[str, Any], before: Deployment) -> set[tuple[str, str]]:
    """Return the step of each resource, by name."""
    return {(step.op.value, step.name) for step in deploy(values, before).steps}


@pytest.mark.parametrize(("changes", "expected"), CHANGES, ids=[str(changes) for changes, _ in CHANGES])
def test_a_change_of_one_value_changes_just_this(
    standing: Deployment, changes: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert list_changes(change(two_regions(), changes), standing) == expected


def test_a_further_tag_updates_what_has_tags_and_replaces_nothing(standing: Deployment) -> None:
    tagged = {
        ("update", resource.name)
        for resource in standing.resources.values()
        if {"tags", "tagSpecifications"} & set(resource.inputs)
    }
    assert list_changes(two_regions() | {"tags": {"Owner": "inference"}}, standing) == tagged
    assert len(tagged) > 100


def test_more_workers_change_the_workers_of_each_azure_region_and_nothing_else() -> None:
    values = make_environment("azure")
    more = change(values, {"workers.count": 208, "workers.maximum": 208})
    changed = deploy(more, deploy(values)).steps
    regions = [region["name"] for region in values["regions"]]
    assert {region for region in regions for step in changed if region in step.name} == set(regions)
    assert [step for step in changed if "-workers-" not in step.name] == []


def test_more_workers_change_the_node_pool_of_each_google_region_and_nothing_else() -> None:
    values = make_environment("gcp")
    more = change(values, {"workers.count": 208, "workers.maximum": 208})
    changed = deploy(more, deploy(values)).steps
    assert [step.op for step in changed] == [StepOp.UPDATE] * len(values["regions"])
    assert all(step.name.startswith("workers-nodes-") for step in changed)
