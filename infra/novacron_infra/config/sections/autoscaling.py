"""`autoscaling`: when workers are added and removed."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Fraction, Section


class Trigger(Section):
    """A utilisation that must last."""

    utilization_fraction: Fraction
    """Of the workers, 0 to 1."""
    for_s: PositiveInt
    """How long it must last."""


class Autoscaling(Section):
    """When workers are added and removed."""

    scale_up: Trigger = Trigger(utilization_fraction=0.8, for_s=300)
    scale_down: Trigger = Trigger(utilization_fraction=0.4, for_s=900)
    ceiling_workers: PositiveInt = 256
    """The highest workers.maximum that a person may set."""
    cpu_target_fraction: Fraction = 0.8
    """CPU utilisation that the horizontal pod autoscaler aims at."""
    gpu_target_fraction: Fraction = 0.85
    """GPU utilisation that it aims at."""
