"""A configuration that the plan accepts is deployed: no component refuses what the plan has accepted."""

from __future__ import annotations

import copy
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import plan_environment

from tests.unit.config.environments import AZURE, change, read_stack
from tests.unit.simulated_stack import deploy

EXAMPLES = int(os.environ.get("NOVACRON_EXAMPLES", "15"))
DEV = read_stack("dev")
ADMINS = {"gcp": ["group:operators@example.com"], "azure": ["00000000-0000-0000-0000-000000000001"]}
GOOGLE: dict[str, Any] = DEV | {
    "platform": "gcp",
    "accounts": {"google_project": "novacron"},
    "clusters": {"admins": ADMINS["gcp"]},
    "regions": [
        {"name": "us-central1", "dns_label": "us", "weight": 1, "network": "10.0.0.0/16", "zones": ["us-central1-a"]}
    ],
    "coordinators": DEV["coordinators"] | {"machine": "c2-standard-60"},
    "workers": DEV["workers"] | {"machine": "a3-highgpu-8g"},
    "model": DEV["model"] | {"store": {"kind": "gcs", "bucket": "novacron-models"}},
}
BASES: dict[str, dict[str, Any]] = {"aws": DEV, "gcp": GOOGLE, "azure": AZURE}
SECTIONS = ("accounts", "alarms", "caches", "data", "tags")
"""Sections that may be missing and that changes reach into."""
NUMBERS: dict[str, list[Any]] = {
    "data.postgres_storage_gib": [1, 20, 32, 100, 128, 1000, 1024, 32_767, 65_536, 70_000],
    "data.redis_nodes": [1, 2, 6, 8, 80, 82, 100, 500],
    "coordinators.count": [1, 2, 3, 4, 9],
    "workers.count": [8, 16, 32, 64, 512, 1024, 2048],
    "workers.spot_fraction": [0, 0.1, 0.34, 0.5, 0.7],
    "caches.persistent_gib": [1, 4, 16, 1000, 20_480, 70_000],
}
LISTS: dict[str, list[Any]] = {
    "regions.0.network": ["10.0.0.0/16", "10.0.0.0/18", "10.0.0.0/20", "172.30.0.0/16", "192.168.0.0/17"],
    "regions.0.zones": [
        [],
        ["us-west-2a", "us-west-2b"],
        ["us-west-2c", "us-west-2a", "us-west-2b"],
        ["us-central1-f"],
        ["us-central1-a", "us-central1-b", "us-central1-c"],
        ["1"],
        ["3", "1"],
        ["1", "2", "3"],
    ],
    "regions.0.dns_label": ["us", "u" * 30, "u" * 63],
    "regions.0.weight": [0, 1, 255],
    "regions.0.name": ["us-west-2", "us-central1", "westus3", "westus", "northcentralus", "eastus2"],
    "clusters.admins": [
        ["arn:aws:iam::123456789012:role/operators", "arn:aws:iam::123456789012:user/team/ann"],
        ["arn:aws:iam::123456789012:role/a_b", "arn:aws:iam::123456789012:role/a-b"],
        ["user:ann@example.com", "serviceAccount:robot@novacron.iam.gserviceaccount.com"],
        [ADMINS["azure"][0], ADMINS["azure"][0].replace("1", "2")],
    ],
    "clusters.version": ["1.33", "1.34", "1.36"],
    "clusters.public_networks": [[], ["203.0.113.0/24"], ["10.0.0.0/8"]],
    "tags": [{}, {"Owner": "research"}, {"cost center": "a:b"}, {f"t{index}": "x" for index in range(40)}],
    "model.store.prefix": ["", "models", "a/b", "..", "configuration"],
    "model.store.bucket": ["novacron-models", "novacron/models", "a" * 60, "my_models"],
    "traffic": [
        {"domain": "llm.acme.example"},
        {"domain": "acme.example", "zone": "acme.example"},
        {"domain": "llm.acme.example", "zone": "other.example"},
        {"domain": "llm.acme.example", "existing_zone": "Z0123456789ABC"},
        {"domain": "llm.acme.example", "existing_zone": "acme"},
        {"domain": f"{'a' * 60}.{'b' * 40}.example", "drain_switch": True},
        {"domain": "llm.acme.example", "health_check": {"interval_s": 10}},
        {"domain": "llm.acme.example", "health_check": {"interval_s": 600, "timeout_s": 9}},
        {"domain": "llm_1.acme.example", "health_check": {"interval_s": 30, "timeout_s": 20}},
    ],
    "protected": [True, False],
}
CHANGES = [(path, value) for path, values in (NUMBERS | LISTS).items() for value in values]


def apply(base: str, changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an environment with changes. The bounds of the workers follow their number."""
    values = copy.deepcopy(BASES[base])
    for section in SECTIONS:
        values.setdefault(section, {})
    for path, value in changes:
        values = change(values, {path: value})
        if path == "workers.count":
            values["workers"] |= {"minimum": min(value, values["workers"]["minimum"]), "maximum": value}
    return values


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from(list(BASES)), changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3))
def test_what_the_plan_accepts_no_component_refuses(base: str, changes: list[tuple[str, Any]]) -> None:
    values = apply(base, changes)
    try:
        config = load(values)
        assert isinstance(config, CloudEnvironment)
        plan_environment(config)
    except ConfigurationError:
        return
    assert deploy(values).resources
