"""`autoscaling`: when workers are added and removed."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Fraction, Section


class Trigger(Section):
    """A utilization of the workers that has to last for some time."""

    utilization_fraction: Fraction
    """Utilization of the workers, as a fraction: 0.8 is 80%."""
    for_s: PositiveInt
    """Seconds that the utilization must last."""


class Autoscaling(Section):
    """When workers are added and removed."""

    scale_up: Trigger = Trigger(utilization_fraction=0.8, for_s=300)
    """When the utilization is above this value for this time, workers are added."""
    scale_down: Trigger = Trigger(utilization_fraction=0.4, for_s=900)
    """When the utilization is below this value for this time, workers are removed."""
    ceiling_workers: PositiveInt = 256
    """Highest number that `workers.maximum` may be set to."""
    cpu_target_fraction: Fraction = 0.8
    """CPU utilization that the horizontal pod autoscaler keeps, as a fraction."""
    gpu_target_fraction: Fraction = 0.85
    """GPU utilization that the horizontal pod autoscaler keeps, as a fraction."""
