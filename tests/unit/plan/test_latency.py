"""The latency floor of replicas, compared with published figures, and targets below it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.catalog import EngineKind, Quantization, find_gpu, find_model, resolve_quantization
from novacron_infra.config import FirstTokenTarget, ServingTargets
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan.latency import LatencyFloor, calculate_latency_floor, check_latencies
from novacron_infra.plan.sizing import ReplicaSize, Workload, size_replica

from tests.unit.config.environments import change, plan, read_stack

FP8, INT4, NVFP4 = Quantization.FP8, Quantization.INT4, Quantization.NVFP4


def replica(model: str, gpu_name: str, quantization: Quantization, tensor_parallel: int) -> ReplicaSize:
    gpu = find_gpu(gpu_name)
    weights = resolve_quantization(quantization, EngineKind.TENSORRT_LLM, gpu.architecture)
    return size_replica(find_model(model), weights, gpu, tensor_parallel, 1, Workload(4096))


def floor(size: ReplicaSize, prompt_tokens: int, prefix_hit_fraction: float = 0) -> LatencyFloor:
    target = FirstTokenTarget(p50=1, p95=1, prompt_tokens=prompt_tokens, prefix_hit_fraction=prefix_hit_fraction)
    found = calculate_latency_floor(size, target)
    assert found is not None
    return found


# aiconfigurator 0.12.0, llama-3.1-405b, 8 GPUs, batch 1, run on 2026-11-29: ms by prompt tokens.
ESTIMATES = {
    ("H100-80GB", FP8): {128: 48, 512: 95, 1000: 159, 2000: 290, 8000: 1085},
    ("H200-141GB", FP8): {128: 40, 512: 88, 1000: 150, 2000: 274, 8000: 1020},
    ("A100-80GB", INT4): {128: 96, 512: 301, 1000: 546, 2000: 1026, 8000: 4093},
}


@pytest.mark.parametrize(("gpu", "quantization"), ESTIMATES)
def test_the_time_to_the_first_token_of_405b_is_near_aiconfigurators(gpu: str, quantization: Quantization) -> None:
    size = replica("llama-3.1-405b", gpu, quantization, 8)
    for prompt_tokens, expected_ms in ESTIMATES[gpu, quantization].items():
        found_ms = floor(size, prompt_tokens).first_token_s * 1000
        assert 0.8 * expected_ms < found_ms < 1.05 * expected_ms, prompt_tokens


# InferenceX, llama-3.1-70b, 4 requests at a time, to 2026-04-27: the fastest measurements of each kind.
MEASURED = [
    ("H200-141GB", FP8, 1, 8192, 1155.5, 23.98),
    ("H200-141GB", FP8, 1, 1024, 175.8, 20.77),
    ("H200-141GB", FP8, 2, 1024, 110.4, 12.22),
    ("H200-141GB", FP8, 4, 1024, 98.4, 8.09),
    ("H200-141GB", FP8, 8, 1024, 68.7, 6.26),
    ("H100-80GB", FP8, 2, 8192, 737.5, 20.61),
    ("H100-80GB", FP8, 4, 1024, 85.9, 12.00),
    ("B200", NVFP4, 1, 8192, 395.4, 13.65),
    ("B200", NVFP4, 1, 1024, 72.5, 12.37),
]


@pytest.mark.parametrize(("gpu", "quantization", "gpus", "prompt_tokens", "first_ms", "between_ms"), MEASURED)
def test_no_measurement_is_below_the_floor(
    gpu: str, quantization: Quantization, gpus: int, prompt_tokens: int, first_ms: float, between_ms: float
) -> None:
    found = floor(replica("llama-3.1-70b", gpu, quantization, gpus), prompt_tokens)
    assert found.first_token_s * 1000 <= first_ms
    assert found.step_s * 1000 <= between_ms * 1.01


def test_cached_tokens_are_not_computed() -> None:
    size = replica("llama-3.1-405b", "H100-80GB", FP8, 8)
    assert floor(size, 2000, 0.5).first_token_s == pytest.approx(floor(size, 1000).first_token_s)


def refused(changes: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(ConfigurationError) as caught:
        plan(change(read_stack("prod"), changes))
    return {item.path.removeprefix("novacron:environment.targets."): item for item in caught.value.problems}


def test_a_target_below_the_floor_is_refused_with_the_arithmetic_and_what_would_do() -> None:
    target: dict[str, float] = {"p50": 0.1, "p95": 0.2}
    plan(change(read_stack("prod"), {"targets.time_to_first_token_s": target}))  # for the prompts of the default
    target["prompt_tokens"] = 1000
    found = refused({"targets.time_to_first_token_s": target})
    (problem,) = found.values()
    assert list(found) == ["time_to_first_token_s.p50"]
    assert problem.value == "0.1"
    assert problem.rule == "8 × H100-80GB need at least 0.154 s for a prompt of 1,000 tokens"
    assert "State prompt_tokens 588 or less, or prefix_hit_fraction 0.42 or more" in problem.fix
    assert "a target of 0.154 or more" in problem.fix
    assert problem.details[1].endswith("= 154 ms")
    # Both suggestions are accepted.
    for more in ({"prompt_tokens": 588}, {"prefix_hit_fraction": 0.42}):
        plan(change(read_stack("prod"), {"targets.time_to_first_token_s": target | more}))


def test_each_percentile_and_each_latency_is_compared() -> None:
    found = refused(
        {
            "targets.time_to_first_token_s": {"p50": 0.01, "p95": 0.2, "prompt_tokens": 4000},
            "targets.inter_token_latency_s": {"p50": 0.01, "p95": 0.02},
        }
    )
    assert list(found) == [
        "time_to_first_token_s.p50",
        "time_to_first_token_s.p95",
        "inter_token_latency_s.p50",
        "inter_token_latency_s.p95",
    ]
    # Below one step, no prompt is short enough.
    assert found["time_to_first_token_s.p50"].fix.startswith("Use more GPUs")
    assert "prompt_tokens 1353 or less" in found["time_to_first_token_s.p95"].fix
    assert "of 0.0231 or more" in found["inter_token_latency_s.p50"].fix


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens"),
        ({"prompt_tokens": 1.5}, "prompt_tokens"),
        ({"prefix_hit_fraction": 1}, "prefix_hit_fraction"),
        ({"prefix_hit_fraction": 50}, "prefix_hit_fraction"),
    ],
)
def test_prompts_are_checked(values: dict[str, Any], path: str) -> None:
    found = refused({"targets.time_to_first_token_s": {"p50": 0.5, "p95": 1.0} | values})
    assert list(found) == [f"time_to_first_token_s.{path}"]


def test_without_the_speed_of_the_gpu_nothing_is_refused() -> None:
    size = replica("llama-3.1-405b", "H100-80GB", FP8, 8)
    unknown = replace(size, gpu=size.gpu.model_copy(update={"speed": None}))
    target = FirstTokenTarget(p50=0.001, p95=0.001)
    assert check_latencies(size, target, None)
    assert check_latencies(unknown, target, None) == []
    assert calculate_latency_floor(unknown, target) is None


def test_targets_of_a_serving_stack_may_leave_latencies_out() -> None:
    targets = ServingTargets()
    size = replica("llama-3.1-405b", "H100-80GB", FP8, 8)
    assert check_latencies(size, targets.time_to_first_token_s, targets.inter_token_latency_s) == []
