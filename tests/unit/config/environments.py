"""Configurations for tests: a small one, production, and production on Azure; and their problems."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.plan import EnvironmentPlan, plan_environment

ROOT = Path(__file__).parents[3]
CASES = Path(__file__).parent / "cases"
SMALL: dict[str, Any] = {
    "platform": "aws",
    "environment": "dev",
    "regions": [
        {
            "name": "us-west-2",
            "dns_label": "us-west",
            "weight": 1,
            "network": "10.0.0.0/16",
            "zones": ["us-west-2a", "us-west-2b"],
        }
    ],
    "clusters": {"admins": ["arn:aws:iam::123456789012:role/operators"]},
    "coordinators": {
        "count": 1,
        "mode": "single",
        "machine": "c6i.8xlarge",
        "hardware": {"cores": 16, "memory_gib": 64, "nvme_tb": 2, "network_gbps": 10},
    },
    "workers": {
        "count": 8,
        "minimum": 8,
        "maximum": 8,
        "gpus_per_worker": 1,
        "machine": "p5.48xlarge",
        "hardware": {"cores": 24, "memory_gib": 128, "nvme_tb": 4, "network_gbps": 25},
    },
    "model": {
        "id": "llama-3.1-405b",
        "context_tokens": 16384,
        "profiles": [{"name": "balanced", "quantization": "int8", "minimum_replicas": 1}],
        "store": {"kind": "s3", "bucket": "models"},
    },
    "targets": {
        "time_to_first_token_s": {"p50": 0.5, "p95": 1},
        "inter_token_latency_s": {"p50": 0.05, "p95": 0.1},
        "throughput_tokens_per_s": {"minimum": 10},
        "quality_fraction": {"minimum": 0.93, "maximum": 0.95},
        "weights_in_use_gb": {"minimum": 400, "maximum": 800},
    },
}


def read_stack(stack: str, folder: str = ".") -> dict[str, Any]:
    """Return the environment in a stack file of this project or of one of its examples."""
    text = (ROOT / folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]["novacron:environment"]


STORAGE_NODES: dict[str, Any] = {
    "count": 16,
    "machine": "i4i.16xlarge",
    "hardware": {"cores": 32, "memory_gib": 128, "nvme_tb": 64, "network_gbps": 200},
}
"""The specified storage nodes of production, which its stack leaves out (decision 10)."""
RECEIVERS: dict[str, Any] = {
    "aws_topic_arns": ["arn:aws:sns:us-west-2:123456789012:alarms"],
    "google_channels": ["projects/acme/notificationChannels/1"],
    "azure_action_groups": [
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations"
        "/providers/Microsoft.Insights/actionGroups/on-call"
    ],
}
"""Receivers of production's alarms in every cloud."""
PROD = read_stack("prod") | {"storage": STORAGE_NODES, "alarms": RECEIVERS}
AZURE: dict[str, Any] = PROD | {
    "platform": "azure",
    "accounts": {"azure_subscription_id": "00000000-0000-0000-0000-000000000000"},
    "regions": [{"name": "westus3", "dns_label": "us", "weight": 1, "network": "10.0.0.0/16"}],
    "traffic": {"domain": "api.example.com"},
    "coordinators": PROD["coordinators"] | {"machine": "Standard_L80s_v3"},
    "workers": PROD["workers"] | {"machine": "Standard_ND96isr_H100_v5"},
    "storage": STORAGE_NODES | {"machine": "Standard_L80s_v3"},
    "model": PROD["model"] | {"store": {"kind": "azure", "bucket": "novacron/models"}},
    "clusters": {"admins": ["00000000-0000-0000-0000-000000000001"]},
}
BASES = {"small": SMALL, "prod": PROD, "azure": AZURE}


def change(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with other values at dotted paths."""
    values = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        at: Any = values
        for step in parents:
            at = at[int(step)] if step.isdigit() else at[step]
        at[int(last) if last.isdigit() else last] = copy.deepcopy(value)
    return values


def plan(values: dict[str, Any]) -> EnvironmentPlan:
    """Return the plan of a cloud environment."""
    config = load(values)
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


def find_problems(values: object) -> dict[str, Problem]:
    """Return the problems of a configuration by their paths below `novacron:environment`."""
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    for problem in caught.value.problems:
        assert problem.rule
        assert problem.fix
        assert str(problem) in str(caught.value)
    return {problem.path.removeprefix("novacron:environment.").strip(): problem for problem in caught.value.problems}
