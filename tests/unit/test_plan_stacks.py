"""The stacks of this project plan to what their machines really hold, and what does not fit is refused with sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from novacron_infra.catalog import UnsupportedQuantizationError
from novacron_infra.config import CloudEnvironment, load
from novacron_infra.config.schema import schemas
from novacron_infra.plan import DoesNotFitError, EnvironmentPlan, PlanError, plan_environment

ROOT = Path(__file__).parents[2]


def values_of(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]["novacron:environment"]


def planned(values: dict[str, Any]) -> EnvironmentPlan:
    config = load(values)
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


@pytest.mark.parametrize("stack", ["local", "dev", "staging", "prod"])
def test_a_stack_file_names_its_schema_and_keeps_to_it(stack: str) -> None:
    path = ROOT / f"Pulumi.{stack}.yaml"
    text = path.read_text(encoding="utf-8")
    name = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    schema = schemas()[ROOT / name]
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize(
    ("stack", "gpus", "nodes", "shapes", "replicas", "pods", "weights_gb", "usd_per_hour"),
    [
        ("dev", 8, 1, [(8, 1)], [1], 1, 410, 56.40),
        ("staging", 64, 8, [(8, 1), (8, 2)], [6, 1], 8, 1222, 456.79),
        ("prod", 128, 16, [(8, 1), (8, 2), (4, 1)], [16, 0, 0], 16, 1230, 984.95),
    ],
)
def test_what_a_stack_takes(
    stack: str,
    gpus: int,
    nodes: int,
    shapes: list[tuple[int, int]],
    replicas: list[int],
    pods: int,
    weights_gb: float,
    usd_per_hour: float,
) -> None:
    plan = planned(values_of(stack))
    assert (plan.gpus, plan.nodes, plan.unused_gpus, plan.pods) == (gpus, nodes, 0, pods)
    assert [(item.size.tensor_parallel, item.size.pipeline_parallel) for item in plan.profiles] == shapes
    assert [item.replicas for item in plan.profiles] == replicas
    assert plan.weights_in_use_gb == pytest.approx(weights_gb, abs=1)
    assert plan.usd_per_hour == pytest.approx(usd_per_hour)
    assert plan.kv_tokens == sum(item.replicas * item.size.kv_tokens for item in plan.profiles)


def test_dev_says_where_its_machine_falls_short() -> None:
    assert [str(item) for item in planned(values_of("dev")).shortfalls] == [
        "coordinators: local NVMe TB 0 of 2",
        "workers, each: vCPUs for cores 24 of 32",
        "workers, each: local NVMe TB 3.8 of 4",
    ]


def test_the_description_has_the_sums_and_what_is_unpriced() -> None:
    text = "\n".join(planned(values_of("prod")).describe())
    for said in ("64 workers × 2 = 128 × H100-80GB = 16 × p5.48xlarge", "16 × $55.04 = $880.64", "2026-07-20"):
        assert said in text
    assert "unpriced: machines in eu-west-1" in text
    assert "short: storage: local NVMe TB 15 of 64" in text


def test_a_machine_without_a_public_price_is_said_and_not_counted() -> None:
    values = values_of("dev")
    values["workers"]["machine"] = "p5e.48xlarge"
    plan = planned(values)
    assert plan.usd_per_hour == pytest.approx(1.36)
    assert "workers: p5e.48xlarge has no public price" in plan.unpriced


def test_four_gpus_cannot_hold_405b_at_8_bits_though_the_machine_has_8() -> None:
    values = values_of("dev")
    values["workers"] |= {"count": 4, "minimum": 4}
    with pytest.raises(DoesNotFitError, match="410 GB against 344 GB") as caught:
        planned(values)
    assert caught.value.alternatives == ("int8 on 8 GPUs (TP8 × PP1)", "int4 on 4 GPUs (TP4 × PP1)")


def test_the_minimum_replicas_must_fit_when_scaled_down() -> None:
    values = values_of("staging")
    values["workers"]["minimum"] = 8
    with pytest.raises(DoesNotFitError, match="together 24 GPUs"):
        planned(values)


def test_the_weights_of_the_minimum_replicas_are_bounded() -> None:
    values = values_of("prod")
    values["model"]["profiles"][0]["minimum_replicas"] = 4
    with pytest.raises(PlanError, match=r"4 × 410 .* = 1,640 GB"):
        planned(values)


def test_a_request_that_no_node_can_schedule_is_refused() -> None:
    values = values_of("dev")
    values["coordinators"]["resources"] |= {"memory_request_gib": 64, "memory_limit_gib": 64}
    with pytest.raises(PlanError, match=r"coordinators\.resources\.memory_request_gib 64"):
        planned(values)


def test_the_given_40_gb_machine_needs_4_bits() -> None:
    values = values_of("dev")
    values["workers"]["machine"] = "p4d.24xlarge"
    with pytest.raises(UnsupportedQuantizationError, match="use int4 or bf16"):
        planned(values)
    values["model"]["profiles"][0]["quantization"] = "int4"
    values["targets"]["weights_in_use_gb"] = {"minimum": 200}
    assert planned(values).profiles[0].size.tensor_parallel == 8
