"""`targets`: the latency, throughput, quality and availability that the environment promises."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from novacron_infra.config.sections.base import Section


class Percentiles(Section):
    """A latency at two percentiles, seconds."""

    p50: PositiveFloat
    """The median."""
    p95: PositiveFloat
    """The 95th percentile."""


class Range(Section):
    """From and to, both included; no `maximum` is no upper bound."""

    minimum: PositiveFloat
    """At least."""
    maximum: PositiveFloat | None = None
    """At most; none: no bound."""


class Targets(Section):
    """What the environment promises."""

    time_to_first_token_s: Percentiles
    inter_token_latency_s: Percentiles
    throughput_tokens_per_s: Range
    quality_fraction: Range
    """Against FP32."""
    weights_in_use_gb: Range
    """Weights of the minimum replicas, 10^9 bytes."""
    availability_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of the year: 0.999 leaves 8.76 hours."""

    @property
    def unavailable_h_per_year(self) -> float | None:
        """Hours a year that the availability leaves."""
        return None if self.availability_fraction is None else (1 - self.availability_fraction) * 8760
