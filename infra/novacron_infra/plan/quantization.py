"""Which quantisation a replica should have: as narrow as its profile and the hour want, never below the floor.

It stands beside the plan and not in the serving package: the profiles and the formats of each GPU are known here.
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
"""Of a weekday, in the users' time."""


class Period(str, Enum):
    """What hour it is, by the load to be expected."""

    PEAK = "peak"
    OFF_PEAK = "off-peak"
    WEEKEND = "weekend"


LADDER = (Quantization.FP32, Quantization.BF16, Quantization.FP16, Quantization.INT8, Quantization.INT4)
"""Widest first. On the way up FP16 comes before BF16: it takes no more memory and keeps three bits more of a weight."""
WANTED: Mapping[ProfileName, Mapping[Period, Quantization]] = {
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
"""What each profile takes where nothing stands against it: high quality at peak, a step narrower at other times."""


def period(at: datetime) -> Period:
    """The period of a moment, by the clock of its own time zone: convert it to the users' first."""
    if at.weekday() >= 5:
        return Period.WEEKEND
    return Period.PEAK if at.hour in PEAK_HOURS else Period.OFF_PEAK


def choose_quantization(
    profile: ProfileName,
    when: Period,
    *,
    engine: EngineKind,
    card: Gpu,
    scores: Mapping[Quantization, float],
    floor: float | None,
) -> Quantization:
    """What the profile wants, else the next wider one that is allowed, else the next narrower one.

    Args:
        profile: Of the replica.
        when: The hour's period.
        engine: That runs the model.
        card: Formats that the engine does not run on it are left out.
        scores: As `novacron quality` measured them, 0 to 1. FP32 needs none: it is what they are measured against.
        floor: No quantisation with a lower score, and none without one; None: scores are not asked for.

    Raises:
        PlanError: when nothing is allowed, with the reason for each.
    """
    wanted = LADDER.index(WANTED[profile][when])
    refusals: list[str] = []
    for item in (*reversed(LADDER[: wanted + 1]), *LADDER[wanted + 1 :]):
        refusal = _refusal(item, engine, card, scores, floor)
        if refusal is None:
            return item
        refusals.append(f"{item.value}: {refusal}")
    rule = f"no quantisation is allowed for {engine.value} on {card.name}"
    fix = "Measure the missing scores with `novacron quality`, or lower the floor"
    raise PlanError([problem("targets.quality_fraction.minimum", floor, rule, fix, refusals)])


def _refusal(
    item: Quantization, engine: EngineKind, card: Gpu, scores: Mapping[Quantization, float], floor: float | None
) -> str | None:
    try:
        resolve_quantization(item, engine, card.architecture)
    except UnsupportedQuantizationError:
        return "the engine has no such format on this GPU"
    if floor is None or item is Quantization.FP32:
        return None
    if item not in scores:
        return f"not measured, and the floor is {floor:g}"
    return f"its score {scores[item]:g} is below the floor {floor:g}" if not scores[item] >= floor else None
