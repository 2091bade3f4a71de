"""Lists of the configuration: their order means nothing, and an item comes and goes without the others' resources.

Every list of the configuration's schema has a row in `ROWS`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import pytest
from novacron_infra.config import CloudEnvironment
from novacron_rehearsal.events import StepOp

from tests.unit.config.environments import change
from tests.unit.simulated_stack import Deployment, deploy

ADMINS = {
    "aws": ["arn:aws:iam::123456789012:role/ops-team", "arn:aws:iam::123456789012:role/ops_team"],
    "gcp": ["user:ops-team@example.com", "user:ops_team@example.com"],
    "azure": ["00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000001"],
}
MACHINES = {
    "aws": ("i4i.16xlarge", "p5.48xlarge"),
    "gcp": ("c2-standard-60", "a3-megagpu-8g"),
    "azure": ("Standard_L80s_v3", "Standard_ND96isr_H100_v5"),
}
REGIONS = {
    "aws": {"us-west-2": ["us-west-2c", "us-west-2a", "us-west-2b"], "us-east-1": ["us-east-1d", "us-east-1a"]},
    "gcp": {"us-west1": ["us-west1-c", "us-west1-a", "us-west1-b"], "us-east4": ["us-east4-c", "us-east4-a"]},
    "azure": {"westus3": ["3", "1", "2"], "eastus2": ["3", "1"]},
}
DETECTORS = {"aws": "managed", "gcp": "existing", "azure": "managed"}
SHARED = {
    "dev-models-replication",
    "dev-api-route53-r1.entry.secondary",
    *(f"dev-models-{what}" for what in ("editor", "publisher", "source-legacybucketowner", "source-objectviewer")),
    "dev-api-traffic-manager-spill-r1",
}
"""Resources that only an environment of several regions has."""
STORES = {"aws": ("s3", "acme-models"), "gcp": ("gcs", "acme-models"), "azure": ("azure", "acmemodels/models")}


def make_environment(cloud: str) -> dict[str, Any]:
    """Return an environment of two regions in which every list has two items or more."""
    coordinators, workers = MACHINES[cloud]
    kind, bucket = STORES[cloud]
    hardware = {"cores": 16, "memory_gib": 64, "nvme_tb": 0.5, "network_gbps": 10}
    return {
        "platform": cloud,
        "environment": "dev",
        "protected": False,
        "accounts": {
            "aws_account_id": "123456789012",
            "google_project": "acme-dev",
            "azure_subscription_id": "00000000-0000-0000-0000-000000000000",
        },
        "primary": next(iter(REGIONS[cloud])),
        "regions": [
            {
                "name": name,
                "dns_label": f"r{number}",
                "weight": 10 * number,
                "network": f"10.{number}.0.0/16",
                "zones": zones,
            }
            for number, (name, zones) in enumerate(REGIONS[cloud].items(), 1)
        ],
        "traffic": {"domain": "api.example.com"},
        "alarms": {
            "aws_topic_arns": [f"arn:aws:sns:us-west-2:123456789012:{name}" for name in ("b", "a")],
            "google_channels": [f"projects/acme-dev/notificationChannels/{number}" for number in (2, 1)],
            "azure_action_groups": [
                "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ops/providers/Microsoft.Insights/"
                f"actionGroups/{name}"
                for name in ("b", "a")
            ],
        },
        "contacts": {"team": "search", "emails": ["b@example.com", "a@example.com"]},
        "budget": {"usd_per_month": 10_000_000, "thresholds_percent": [90, 80]},
        "security": {
            "threat_detection": {
                cloud: DETECTORS[cloud],
                "alert_emails": ["ops-team@example.com", "ops_team@example.com"],
            }
        },
        "clusters": {"admins": ADMINS[cloud], "public_networks": ["203.0.113.0/24", "198.51.100.0/24"]},
        "coordinators": {"count": 6, "mode": "active-active-standby", "machine": coordinators, "hardware": hardware},
        "workers": {
            "count": 192,
            "minimum": 96,
            "maximum": 192,
            "gpus_per_worker": 1,
            "machine": workers,
            "hardware": hardware,
        },
        "autoscaling": {
            "schedules": [
                {"name": "night", "minimum_workers": 104, "days": ["tue", "mon"], "start": "20:00", "end": "22:00"},
                {"name": "day", "minimum_workers": 112, "days": ["fri", "mon"], "start": "09:00", "end": "17:00"},
            ]
        },
        "model": {
            "id": "llama-3.1-405b",
            "context_tokens": 16384,
            "profiles": [
                {"name": "balanced", "quantization": "int8", "minimum_replicas": 2},
                {"name": "memory", "quantization": "int4", "minimum_replicas": 1},
            ],
            "store": {"kind": kind, "bucket": bucket},
        },
        "targets": {
            "time_to_first_token_s": {"p50": 0.5, "p95": 1},
            "inter_token_latency_s": {"p50": 0.05, "p95": 0.1},
            "throughput_tokens_per_s": {"minimum": 10},
            "quality_fraction": {"minimum": 0.5},
            "weights_in_use_gb": {"minimum": 1},
        },
    }


def put_a_region_in_another_cloud(values: dict[str, Any]) -> dict[str, Any]:
    other = make_environment("gcp")
    region = other["regions"][1] | {
        "overrides": {
            "platform": "gcp",
            "nearest": "us-east-1",
            "coordinators": MACHINES["gcp"][0],
            "workers": MACHINES["gcp"][1],
            "admins": ADMINS["gcp"],
            "bucket": "acme-models-gcp",
        }
    }
    return values | {"regions": [values["regions"][0], region]}


ROWS = {
    "regions": "regions",
    "regions[].zones": "regions.0.zones",
    "regions[].control_plane_zones": "regions.0.control_plane_zones",
    "regions[].overrides.admins": "regions.1.overrides.admins",
    "clusters.admins": "clusters.admins",
    "clusters.public_networks": "clusters.public_networks",
    "security.threat_detection.alert_emails": "security.threat_detection.alert_emails",
    "budget.thresholds_percent": "budget.thresholds_percent",
    "contacts.emails": "contacts.emails",
    "alarms.aws_topic_arns": "alarms.aws_topic_arns",
    "alarms.google_channels": "alarms.google_channels",
    "alarms.azure_action_groups": "alarms.azure_action_groups",
    "autoscaling.schedules": "autoscaling.schedules",
    "autoscaling.schedules[].days": "autoscaling.schedules.0.days",
    "model.profiles": "model.profiles",
}
"""A list of an environment for each path of the schema."""
ENVIRONMENTS = ("aws", "gcp", "azure", "multi-cloud")
SHRUNK = {"aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"}
"""Types that AWS replaces when a region has a zone less: a load balancer never gets fewer subnets in place."""
OWNERS = [
    pytest.param(environment, paths, id=f"{environment}-{paths[0]}")
    for environment, paths in itertools.product(
        ENVIRONMENTS[:3],
        (["regions"], ["regions[].zones"], ["clusters.admins", "security.threat_detection.alert_emails"]),
    )
] + [pytest.param("multi-cloud", ["regions[].overrides.admins"], id="multi-cloud-admins")]
"""Lists whose items have resources, by environment. Lists of one case lose their last items at the same time."""


def find_lists(schema: Mapping[str, Any]) -> set[str]:
    """Return the paths of all lists in a JSON schema."""

    def walk(node: Mapping[str, Any], path: str) -> Iterator[str]:
        if "$ref" in node:
            yield from walk(schema["$defs"][node["$ref"].rpartition("/")[2]], path)
        for alternative in [*node.get("anyOf", []), *node.get("allOf", [])]:
            yield from walk(alternative, path)
        if node.get("type") == "array":
            yield path
            yield from walk(node.get("items", {}), f"{path}[]")
        for name, member in node.get("properties", {}).items():
            yield from walk(member, f"{path}.{name}" if path else name)
        members = node.get("additionalProperties")
        if isinstance(members, Mapping):
            yield from walk(cast("Mapping[str, Any]", members), f"{path}[]")

    return set(walk(schema, ""))


def test_every_list_of_the_configuration_has_a_row() -> None:
    assert set(ROWS) == find_lists(CloudEnvironment.model_json_schema())


@functools.cache
def make(environment: str) -> dict[str, Any]:
    if environment == "multi-cloud":
        return put_a_region_in_another_cloud(make_environment("aws"))
    return make_environment(environment)


@functools.cache
def deploy_once(environment: str) -> Deployment:
    return deploy(make(environment))


def find(values: Any, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for step in path.split("."):
        values = values[int(step)] if step.isdigit() else values.get(step)
        if values is None:
            return None
    return values


def change_lists(environment: str, paths: Iterable[str], new: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    """Return an environment with other lists. Inner lists change before those that hold them."""
    values = make(environment)
    for path in sorted((ROWS[path] for path in paths), key=lambda path: -path.count(".")):
        if items := find(values, path):
            values = change(values, {path: new(items)})
    return values


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_order_of_lists_creates_deletes_and_replaces_nothing(environment: str) -> None:
    reordered = change_lists(environment, ROWS, lambda items: items[::-1])
    assert [item["name"] for item in reordered["regions"]] == [
        item["name"] for item in reversed(make(environment)["regions"])
    ]
    after = deploy(reordered, deploy_once(environment))
    assert [step for step in after.steps if step.op is not StepOp.UPDATE] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS[:3])
def test_an_item_without_resources_comes_and_goes_without_any(environment: str) -> None:
    owners = {path for case in OWNERS for path in cast("list[str]", case.values[1])}
    fewer = change_lists(environment, ROWS.keys() - owners, lambda items: items[:-1])
    after = deploy(fewer, deploy_once(environment))
    assert [step for step in after.steps if step.op is not StepOp.UPDATE] == []


@pytest.mark.parametrize(("environment", "paths"), OWNERS)
def test_an_item_comes_and_goes_with_its_own_resources(environment: str, paths: list[str]) -> None:
    every = deploy_once(environment)
    fewer = deploy(change_lists(environment, paths, lambda items: items[:-1]), every)
    assert {step.op for step in fewer.steps} <= {StepOp.UPDATE, StepOp.DELETE, StepOp.REPLACE}
    assert {step.type for step in fewer.of(StepOp.REPLACE)} <= (SHRUNK if paths == ["regions[].zones"] else set())
    again = deploy(make(environment), fewer)
    assert {step.op for step in again.steps} <= {StepOp.UPDATE, StepOp.CREATE}
    gone = [find(make(environment), ROWS[path])[-1] for path in paths]
    parts = [part for item in gone for part in name_parts(item)]
    lost = [every.resources[urn] for urn in every.resources.keys() - fewer.resources.keys()]
    places = {item.name: f"{item.name} {item.region} {item.inputs.get('location')}" for item in lost}
    assert fewer.steps
    assert {name for name, place in places.items() if not any(part in place for part in parts)} <= SHARED


def name_parts(item: Any) -> list[str]:
    """Return what the names of an item's resources contain."""
    if isinstance(item, dict):
        return [item["name"], item["dns_label"]]
    return [item.rpartition(":")[2], f"-{item.rpartition('-')[2]}"]
