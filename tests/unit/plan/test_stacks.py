"""The plans of this project's stacks, and the problems of stacks that cannot be built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.config.schema import create_schemas
from novacron_infra.errors import Problem
from novacron_infra.plan import PlanError, plan_to_json
from novacron_ops.plan_report import describe_plan

from tests.unit.config.environments import ROOT, STORAGE_NODES, plan, read_stack
from tests.unit.config.test_capacity import BLOCK

GOLDEN = Path(__file__).parents[1] / "golden"
REQUESTS = {"cpu_request": 1, "cpu_limit": 1, "memory_request_gib": 1, "memory_limit_gib": 100}

IOWA = {"name": "us-central1", "dns_label": "us", "weight": 1, "network": "10.0.0.0/16", "zones": ["us-central1-a"]}


def find_plan_problems(description: dict[str, Any]) -> dict[str, Problem]:
    with pytest.raises(PlanError) as caught:
        plan(description)
    for problem in caught.value.problems:
        assert problem.value
        assert problem.rule
        assert problem.fix
        assert str(problem) in str(caught.value)
    return {problem.path.removeprefix("novacron:environment."): problem for problem in caught.value.problems}


STACK_FILES = [*ROOT.glob("Pulumi.*.yaml"), *(ROOT / "examples" / "environments").glob("Pulumi.*.yaml")]


@pytest.mark.parametrize("path", STACK_FILES, ids=[path.stem for path in STACK_FILES])
def test_a_stack_file_names_its_schema_and_matches_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    name = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    schema = create_schemas()[(path.parent / name).resolve()]
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize(
    ("path", "dev", "staging", "prod"),
    [
        ("coordinators.count", 1, 3, 3),
        ("coordinators.mode", "single", "highly-available", "active-active-standby"),
        ("coordinators.hardware.cores", 16, 32, 32),
        ("coordinators.hardware.memory_gib", 64, 128, 256),
        ("coordinators.hardware.nvme_tb", 2, 4, 8),
        ("coordinators.hardware.network_gbps", 10, 100, 200),
        ("workers.count", 8, 32, 64),
        ("workers.gpus_per_worker", 1, 2, 2),
        ("workers.hardware.cores", 32, 64, 64),
        ("workers.hardware.memory_gib", 128, 256, 512),
        ("workers.hardware.nvme_tb", 4, 8, 16),
        ("workers.hardware.network_gbps", 25, 200, 400),
        ("storage", None, None, None),
        ("model.id", "llama-3.1-405b", "llama-3.1-405b", "llama-3.1-405b"),
        ("model.context_tokens", 16384, 32768, 32768),
        ("model.loader.timeout_s", 600, 600, 600),
        ("model.loader.retries", 3, 3, 3),
        ("targets.time_to_first_token_s.p50", 0.5, 0.2, 0.1),
        ("targets.time_to_first_token_s.p95", 1.0, 0.3, 0.2),
        ("targets.throughput_tokens_per_s.minimum", 10, 150, 500),
        ("targets.throughput_tokens_per_s.maximum", 20, 300, None),
        ("targets.quality_fraction.minimum", 0.93, 0.96, 0.97),
        ("targets.quality_fraction.maximum", 0.95, 0.98, None),
        ("targets.weights_in_use_gb.maximum", 800, 1500, 1500),
        ("targets.availability_fraction", None, None, 0.999),
        ("workers.minimum", 8, 16, 32),
        ("workers.maximum", 8, 32, 128),
        ("autoscaling.ceiling_workers", None, None, 256),
        ("autoscaling.scale_up.utilization_fraction", None, None, 0.8),
        ("autoscaling.scale_up.for_s", None, None, 300),
        ("autoscaling.scale_down.utilization_fraction", None, None, 0.4),
        ("autoscaling.scale_down.for_s", None, None, 900),
        ("autoscaling.cpu_target_fraction", None, None, 0.8),
        ("autoscaling.kv_cache_full_fraction", None, None, 0.85),
        ("caches.memory_gib", 16, 64, 64),
        ("caches.distributed_gib", 64, 2048, 2048),
        ("caches.persistent_gib", 1024, 20480, 20480),
        ("monitoring.retention_days", 30, 30, 30),
        ("monitoring.scrape_interval_s", 15, 15, 15),
        ("data.postgres_storage_gib", 100, 1024, 1024),
        ("data.redis_nodes", 1, 6, 6),
    ],
)
def test_the_stacks_have_the_specified_values(path: str, dev: object, staging: object, prod: object) -> None:
    for stack, expected in {"dev": dev, "staging": staging, "prod": prod}.items():
        value: Any = load(read_stack(stack))
        for step in path.split("."):
            value = getattr(value, step, None)
        assert value == expected, stack


def test_the_availability_of_prod_allows_8_76_hours_of_downtime_a_year() -> None:
    config = load(read_stack("prod"))
    assert isinstance(config, CloudEnvironment)
    assert config.targets.unavailable_h_per_year == pytest.approx(8.76)


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_plan_of_a_stack_is_its_golden_file(stack: str) -> None:
    planned, hint = plan(read_stack(stack)), "make golden writes them again"
    assert "\n".join(describe_plan(planned)) + "\n" == (GOLDEN / f"{stack}.txt").read_text(encoding="utf-8"), hint
    assert plan_to_json(planned) == json.loads((GOLDEN / f"{stack}.json").read_text(encoding="utf-8")), hint


@pytest.mark.parametrize(
    ("stack", "gpus", "nodes", "parallelisms", "replicas", "pods", "weights_gb", "usd_per_hour"),
    [
        ("dev", 8, 1, [(8, 1)], [1], 1, 410, 56.40),
        ("staging", 64, 8, [(8, 1), (8, 2)], [6, 1], 8, 1222, 456.793),
        # 12 coordinators × 5.491, three in each region; 11 × 55.04 in the US, 3 × 58.89 in Europe, 2 × 68.80 in Asia.
        ("prod", 128, 16, [(8, 1), (8, 2), (4, 1)], [16, 0, 0], 16, 1230, 985.61),
    ],
)
def test_the_size_and_price_of_a_stack(
    stack: str,
    gpus: int,
    nodes: int,
    parallelisms: list[tuple[int, int]],
    replicas: list[int],
    pods: int,
    weights_gb: float,
    usd_per_hour: float,
) -> None:
    planned = plan(read_stack(stack))
    assert (planned.gpus, planned.nodes, planned.unused_gpus, planned.pods) == (gpus, nodes, 0, pods)
    assert [(item.size.tensor_parallel, item.size.pipeline_parallel) for item in planned.profiles] == parallelisms
    assert [item.replicas for item in planned.profiles] == replicas
    assert planned.weights_in_use_gb == pytest.approx(weights_gb, abs=1)
    assert planned.cost.usd_per_hour == pytest.approx(usd_per_hour, abs=0.005)
    assert planned.kv_tokens == sum(item.replicas * item.size.kv_tokens for item in planned.profiles)


def test_the_plan_of_dev_lists_hardware_that_its_machines_lack() -> None:
    assert [str(item) for item in plan(read_stack("dev")).shortfalls] == [
        "each coordinator: 0 of the 2 requested TB of local NVMe",
        "each worker: 24 of the 32 requested cores (counted in vCPUs)",
        "each worker: 3.8 of the 4 requested TB of local NVMe",
    ]


def test_a_machine_without_a_public_price_is_listed_and_not_counted() -> None:
    description = read_stack("dev")
    description["workers"] |= {"machine": "p5e.48xlarge", "capacity": BLOCK}
    planned = plan(description)
    assert planned.cost.usd_per_hour == pytest.approx(1.36)
    assert "workers: p5e.48xlarge has no public price" in planned.cost.not_included
    assert any("unpriced" in line and "p5e.48xlarge" in line for line in describe_plan(planned))


@pytest.mark.parametrize(
    ("stack", "changes", "path", "texts"),
    [
        # Four GPUs of a machine of eight: the problem lists what fits.
        (
            "dev",
            {"workers": {"count": 4, "minimum": 4}},
            "model.profiles[balanced].quantization",
            ["410 GB against 344 GB", "fits: int8 on 8 GPUs (TP8 × PP1), 4 more than", "fits: int4 on 4 GPUs (TP4"],
        ),
        # 8-bit weights do not exist on Ampere, and would not fit one p4d.
        (
            "dev",
            {"workers": {"machine": "p4d.24xlarge"}},
            "model.profiles[balanced].quantization",
            [
                "does not support this format on ampere",
                "Use int4 or bf16",
                "fits: int4 on 8 GPUs (TP8 × PP1)",
                "fits: bf16 on 24",
            ],
        ),
        ("staging", {"workers": {"minimum": 8}}, "workers.minimum", ["together 24 GPUs", "Raise it to 12 or more"]),
        (
            "prod",
            {"model.profiles.0": {"minimum_replicas": 4}},
            "targets.weights_in_use_gb.maximum",
            ["the minimum replicas weigh 4 × 410 = 1,640 GB"],
        ),
        (
            "dev",
            {"coordinators.resources": {"memory_request_gib": 64, "memory_limit_gib": 64}},
            "coordinators.resources.memory_request_gib",
            ["1 × 64 on a c6i.8xlarge with 64", "less than 64"],
        ),
        (
            "dev",
            {"workers": {"resources": REQUESTS | {"cpu_request": 300, "cpu_limit": 300}}},
            "workers.resources.cpu_request",
            ["1 × 300 on a p5.48xlarge with 192"],
        ),
        (
            "prod",
            {"workers": {"count": 62}},
            "workers.count",
            ["whole machines of 8 GPUs, which hold 4 workers", "Use 60 or 64"],
        ),
        (
            "prod",
            {"workers": {"minimum": 4}},
            "regions[us-east-1].weight",
            ["weight 30 of 100, of workers.minimum 4", "0 workers × 2 = 0", "one replica: 8 GPUs (TP8 × PP1)"],
        ),
        ("prod", {"": {"storage": STORAGE_NODES | {"count": 3}}}, "storage.count", ["one would have none"]),
        ("prod", {"traffic": {"rto_target_s": 120}}, "traffic.rto_target_s", ["168 s", "3 × (30 + 6) + 60 = 168"]),
        ("prod", {"traffic.health_check": {"interval_s": 20}}, "traffic.health_check.interval_s", ["10 or 30"]),
        (
            "dev",
            {
                "": {"platform": "gcp", "regions": [IOWA], "accounts": {"google_project": "novacron"}},
                "clusters": {"admins": ["group:operators@example.com"]},
                "coordinators": {"machine": "c2-standard-60"},
                "workers": {"machine": "a2-ultragpu-8g", "count": 32, "minimum": 32, "maximum": 32},
                "model.profiles.0": {"quantization": "fp16"},
                "model": {"store": {"kind": "gcs", "bucket": "models"}},
                "targets": {"weights_in_use_gb": {"minimum": 1}},
            },
            "workers.machine",
            ["needs 16 GPUs, more than the 8 of this machine", "Use a3-highgpu-8g"],
        ),
    ],
)
def test_a_stack_that_cannot_be_built_is_rejected_with_its_arithmetic(
    stack: str, changes: dict[str, dict[str, Any]], path: str, texts: list[str]
) -> None:
    description = read_stack(stack)
    for place, update in changes.items():
        at: Any = description
        for step in place.split(".") if place else ():
            at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
        at |= update
    message = str(find_plan_problems(description)[path])
    for part in texts:
        assert part in message


def test_all_reasons_are_reported_together() -> None:
    description = read_stack("prod")
    description["workers"] |= {"machine": "p4d.24xlarge", "count": 62}
    description["traffic"]["rto_target_s"] = 10
    description["coordinators"]["resources"] = REQUESTS | {"cpu_request": 64, "cpu_limit": 64}
    assert set(find_plan_problems(description)) == {
        "workers.count",
        "model.profiles[balanced].quantization",
        "coordinators.resources.cpu_request",
        "traffic.rto_target_s",
    }


def test_a_machine_of_40_gb_gpus_holds_405b_at_4_bits() -> None:
    description = read_stack("dev")
    description["workers"]["machine"] = "p4d.24xlarge"
    description["model"]["profiles"][0]["quantization"] = "int4"
    description["targets"]["weights_in_use_gb"] = {"minimum": 200}
    description["targets"]["time_to_first_token_s"]["p50"] = 0.6
    assert plan(description).profiles[0].size.tensor_parallel == 8


def test_the_plan_says_what_storage_nodes_cost_and_that_nothing_runs_on_them() -> None:
    assert plan(read_stack("prod")).warnings == ()
    [warning] = plan(read_stack("prod") | {"storage": STORAGE_NODES}).warnings
    assert "nothing of the serving stack runs on the storage nodes (16 × i4i.16xlarge)" in warning
    assert "87.86 USD/h less, 64,135 USD/month" in warning
