"""The quantization of a replica by profile, time, GPU, scores and floor."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from novacron_infra.catalog import EngineKind, Quantization, find_gpu, resolve_quantization
from novacron_infra.config import ProfileName
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.quantization import Period, choose_quantization, find_period

FP16, BF16, INT8, INT4 = Quantization.FP16, Quantization.BF16, Quantization.INT8, Quantization.INT4
GOOD = {FP16: 0.999, BF16: 0.995, INT8: 0.985, INT4: 0.975}
INT4_POOR = GOOD | {INT4: 0.90}
ONLY_FP16 = {FP16: 0.98, BF16: 0.96, INT8: 0.96, INT4: 0.80}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026: the 23rd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (at(23, 8, 59), "off-peak"),
        (at(23, 9), "peak"),
        (at(27, 16, 59), "peak"),
        (at(27, 17), "off-peak"),
        (at(25, 0), "off-peak"),
        (at(27, 23, 59), "off-peak"),
        (at(28, 0), "weekend"),
        (at(28, 12), "weekend"),
        (at(29, 23, 59), "weekend"),
    ],
)
def test_the_period_of_a_moment(moment: datetime, expected: str) -> None:
    assert find_period(moment) == expected


@pytest.mark.parametrize(
    ("profile", "when", "gpu", "scores", "floor", "expected"),
    [
        # No floor: what the profile wants, a step narrower outside the peak.
        ("quality", "peak", "H100-80GB", {}, None, FP16),
        ("quality", "off-peak", "H100-80GB", {}, None, INT8),
        ("quality", "weekend", "H100-80GB", {}, None, INT8),
        ("balanced", "peak", "H100-80GB", {}, None, INT8),
        ("balanced", "off-peak", "H100-80GB", {}, None, INT4),
        ("balanced", "weekend", "H200-141GB", {}, None, INT4),
        ("memory", "peak", "H100-80GB", {}, None, INT4),
        ("memory", "weekend", "H100-80GB", {}, None, INT4),
        # Formats that the GPU lacks: the next wider one.
        ("balanced", "peak", "A100-80GB", {}, None, FP16),
        ("quality", "weekend", "A100-40GB", {}, None, FP16),
        ("balanced", "off-peak", "A100-80GB", {}, None, INT4),
        ("balanced", "peak", "B200", {}, None, INT8),
        ("memory", "peak", "B200", {}, None, INT4),
        # A floor that everything reaches changes nothing.
        ("quality", "peak", "H100-80GB", GOOD, 0.97, FP16),
        ("balanced", "peak", "H100-80GB", GOOD, 0.97, INT8),
        ("balanced", "off-peak", "H100-80GB", GOOD, 0.97, INT4),
        ("memory", "peak", "H100-80GB", GOOD, 0.975, INT4),
        # Never below the floor, at whatever hour.
        ("balanced", "off-peak", "H100-80GB", INT4_POOR, 0.97, INT8),
        ("balanced", "weekend", "H100-80GB", INT4_POOR, 0.97, INT8),
        ("memory", "peak", "H100-80GB", INT4_POOR, 0.97, INT8),
        ("memory", "off-peak", "A100-80GB", INT4_POOR, 0.97, FP16),
        ("memory", "off-peak", "H100-80GB", ONLY_FP16, 0.97, FP16),
        ("memory", "weekend", "H100-80GB", {INT8: 0.98, BF16: 0.99}, 0.985, BF16),
        # Not measured is not allowed, once there is a floor.
        ("balanced", "off-peak", "H100-80GB", {INT8: 0.98}, 0.97, INT8),
        ("balanced", "peak", "H100-80GB", {FP16: 0.99}, 0.97, FP16),
        # Nothing wider is allowed: the next narrower that is.
        ("quality", "peak", "H100-80GB", {INT8: 0.98}, 0.97, INT8),
        ("quality", "peak", "A100-80GB", {INT4: 0.98}, 0.97, INT4),
    ],
)
def test_the_quantization_that_a_profile_gets(
    profile: str, when: str, gpu: str, scores: dict[Quantization, float], floor: float | None, expected: Quantization
) -> None:
    chosen = choose_quantization(
        ProfileName(profile),
        Period(when),
        engine=EngineKind.TENSORRT_LLM,
        gpu=find_gpu(gpu),
        scores=scores,
        floor=floor,
    )
    assert chosen is expected


@pytest.mark.parametrize("when", Period)
@pytest.mark.parametrize("profile", ProfileName)
@pytest.mark.parametrize("gpu", ["A100-80GB", "H100-80GB", "B200"])
@pytest.mark.parametrize("floor", [0.5, 0.9, 0.97, 0.98])
def test_a_chosen_quantization_is_supported_and_reaches_the_floor(
    profile: ProfileName, when: Period, gpu: str, floor: float
) -> None:
    scores = ONLY_FP16
    engine = EngineKind.TENSORRT_LLM
    chosen = choose_quantization(profile, when, engine=engine, gpu=find_gpu(gpu), scores=scores, floor=floor)
    resolve_quantization(chosen, engine, find_gpu(gpu).architecture)
    assert scores[chosen] >= floor


def test_fp32_needs_no_score() -> None:
    chosen = choose_quantization(
        ProfileName.MEMORY, Period.PEAK, engine=EngineKind.PYTORCH, gpu=find_gpu("H100-80GB"), scores={}, floor=0.97
    )
    assert chosen is Quantization.FP32


@pytest.mark.parametrize(
    ("scores", "floor", "reason"),
    [
        ({}, 0.97, "int8: not measured, and the floor is 0.97"),
        (GOOD, 1.0, "int8: its score 0.985 is below the floor 1"),
        ({FP16: float("nan")}, 0.97, "fp16: its score nan is below the floor 0.97"),
        (GOOD, 1.0, "fp32: the engine does not support it on this GPU"),
    ],
)
def test_the_reason_is_given_for_each_quantization_that_is_not_allowed(
    scores: dict[Quantization, float], floor: float, reason: str
) -> None:
    with pytest.raises(PlanError) as refused:
        choose_quantization(
            ProfileName.BALANCED,
            Period.PEAK,
            engine=EngineKind.TENSORRT_LLM,
            gpu=find_gpu("H100-80GB"),
            scores=scores,
            floor=floor,
        )
    assert reason in str(refused.value)
    assert "novacron quality" in str(refused.value)
