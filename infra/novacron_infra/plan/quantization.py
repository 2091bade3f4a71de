"""Chooses the quantization of a replica by its profile and the time of day, and never below the quality floor.

This is part of the plan and not of the serving package, because profiles and the formats of each GPU are known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from novacron_infra.catalog import (
    EngineKind,
    Gpu,
    Quantization,
    UnsupportedQuantizationError,
    resolve_quantization,
)
from novacron_infra.config import ProfileName
from novacron_infra.config.problems import problem
from novacron_infra.plan.errors import PlanError

PEAK_HOURS = range(9, 17)
"""Hours of a weekday, in the users' time zone."""


class Period(str, Enum):
    """A time of the week with its own load."""

    PEAK = "peak"
    OFF_PEAK = "off-peak"
    WEEKEND = "weekend"


LADDER = (Quantization.FP32, Quantization.BF16, Quantization.FP16, Quantization.INT8, Quantization.INT4)
"""Widest first. FP16 is next to the integers: it needs the memory of BF16 and keeps three more bits of each weight."""
PREFERRED: Mapping[ProfileName, Mapping[Period, Quantization]] = {
    ProfileName.QUALITY: {
        Period.PEAK: Quantization.FP16,
        Period.OFF_PEAK: Quantization.INT8,
        Period.WEEKEND: Quantization.INT8,
    },
    ProfileName.BALANCED: {
        Period.PEAK: Quantization.INT8,
        Period.OFF_PEAK: Quantization.INT4,
        Period.WEEKEND: Quantization.INT4,
    },
    ProfileName.MEMORY: {
        Period.PEAK: Quantization.INT4,
        Period.OFF_PEAK: Quantization.INT4,
        Period.WEEKEND: Quantization.INT4,
    },
}
"""The quantization that each profile prefers: wide at peak, and a step narrower at other times."""


def find_period(at: datetime) -> Period:
    """Return the period of a moment by the clock of its time zone; convert it to the users' time zone first."""
    if at.weekday() >= 5:
        return Period.WEEKEND
    return Period.PEAK if at.hour in PEAK_HOURS else Period.OFF_PEAK


def choose_quantization(
    profile: ProfileName,
    when: Period,
    *,
    engine: EngineKind,
    gpu: Gpu,
    scores: Mapping[Quantization, float],
    floor: float | None,
) -> Quantization:
    """Return the preferred quantization of a profile, else the next wider allowed one, else the next narrower one.

    Args:
        profile: the replica's profile.
        when: the period.
        engine: the engine that runs the model.
        gpu: the GPU; formats that the engine does not support on it are not allowed.
        scores: quality scores from 0 to 1 that `novacron quality` measured. FP32 needs none: the others are measured
            against it.
        floor: the lowest allowed score; a quantization without a score is not allowed. None allows every score.

    Raises:
        PlanError: no quantization is allowed; its details have the reason for each.
    """
    preferred = LADDER.index(PREFERRED[profile][when])
    reasons: list[str] = []
    for item in (*reversed(LADDER[: preferred + 1]), *LADDER[preferred + 1 :]):
        reason = _find_obstacle(item, engine, gpu, scores, floor)
        if reason is None:
            return item
        reasons.append(f"{item.value}: {reason}")
    rule = f"it allows no quantization for {engine.value} on {gpu.name}"
    fix = "Measure the missing scores with `novacron quality`, or lower the floor"
    raise PlanError([problem("targets.quality_fraction.minimum", floor, rule, fix, reasons)])


def _find_obstacle(
    item: Quantization, engine: EngineKind, gpu: Gpu, scores: Mapping[Quantization, float], floor: float | None
) -> str | None:
    """Return why a quantization is not allowed, or None when it is."""
    try:
        resolve_quantization(item, engine, gpu.architecture)
    except UnsupportedQuantizationError:
        return "the engine does not support it on this GPU"
    if floor is None or item is Quantization.FP32:
        return None
    if item not in scores:
        return f"not measured, and the floor is {floor:g}"
    # Written so that a score that is not a number is rejected.
    return None if scores[item] >= floor else f"its score {scores[item]:g} is below the floor {floor:g}"
