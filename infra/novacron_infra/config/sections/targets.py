"""`targets`: the latency, throughput, quality and availability that the environment promises."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from novacron_infra.config.sections.base import Section

_HOURS_PER_YEAR = 8760


class Percentiles(Section):
    """A latency at two percentiles."""

    p50: PositiveFloat
    """Median in seconds."""
    p95: PositiveFloat
    """95th percentile in seconds."""


class Range(Section):
    """A range of values that includes both bounds."""

    minimum: PositiveFloat
    """Lowest value."""
    maximum: PositiveFloat | None = None
    """Highest value. Without it, the range has no upper bound."""


class Targets(Section):
    """The latency, throughput, quality and availability that the environment promises."""

    time_to_first_token_s: Percentiles
    """Seconds from a request to its first token."""
    inter_token_latency_s: Percentiles
    """Seconds between two tokens of a response."""
    throughput_tokens_per_s: Range
    """Tokens that the environment generates in a second."""
    quality_fraction: Range
    """Quality of the quantized model relative to FP32, as a fraction: 0.97 is 97%."""
    weights_in_use_gb: Range
    """Memory of the weights of all minimum replicas in GB (10^9 bytes). A plan above the maximum is rejected."""
    availability_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of the year in which the environment is available: 0.999 allows 8.76 hours of downtime."""

    @property
    def unavailable_h_per_year(self) -> float | None:
        """Hours of downtime a year that the availability allows."""
        return None if self.availability_fraction is None else (1 - self.availability_fraction) * _HOURS_PER_YEAR
