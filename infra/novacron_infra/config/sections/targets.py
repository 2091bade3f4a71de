"""`targets`: the latency, throughput, quality and availability that the environment promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, PositiveFloat

from novacron_infra.config.sections.base import Section

_HOURS_PER_YEAR = 8760
# fmt: off
TIME_TO_FIRST_TOKEN_EDGES_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
)
TIME_PER_OUTPUT_TOKEN_EDGES_S = (
    0.01, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
)
# fmt: on
"""Upper bounds of the buckets of the latency histograms, from the contract of novacron-serving.

Alerts count the requests in the buckets up to a target, so a target counts as the next bound.
"""


class Percentiles(Section):
    """A latency at two percentiles."""

    p50: PositiveFloat
    """Median in seconds."""
    p95: PositiveFloat
    """95th percentile in seconds."""


class FirstTokenTarget(Percentiles):
    """A time to the first token, and the prompts for which it holds."""

    prompt_tokens: Annotated[int, Field(ge=1, le=10_000_000)] = 500
    """Tokens of the prompts for which the target holds. A 405B model on 8 H100 can meet 0.1 s for 500."""
    prefix_hit_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part of the prompt that is expected in the prefix cache, and that is not computed again, as a fraction."""


class Range(Section):
    """A range of values that includes both bounds."""

    minimum: PositiveFloat
    """Lowest value."""
    maximum: PositiveFloat | None = None
    """Highest value. Without it, the range has no upper bound."""


class ServingTargets(Section):
    """Targets of a serving stack. An alert tells when one is missed; a target that is left out has none."""

    time_to_first_token_s: FirstTokenTarget | None = None
    """Seconds from a request to its first token. A plan refuses what its GPUs cannot meet even without load."""
    inter_token_latency_s: Percentiles | None = None
    """Seconds between two tokens of a response. A plan refuses what its GPUs cannot meet even without load."""
    quality_fraction: Range | None = None
    """Quality of the quantized model relative to FP32, as a fraction: 0.97 is 97%."""
    availability_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of the requests that are answered without a failure of the stack."""


class Targets(Section):
    """The latency, throughput, quality and availability that the environment promises."""

    time_to_first_token_s: FirstTokenTarget
    """Seconds from a request to its first token. A plan refuses what its GPUs cannot meet even without load."""
    inter_token_latency_s: Percentiles
    """Seconds between two tokens of a response. A plan refuses what its GPUs cannot meet even without load."""
    throughput_tokens_per_s: Range
    """Tokens that the environment generates in a second."""
    quality_fraction: Range
    """Quality of the quantized model relative to FP32, as a fraction: 0.97 is 97%."""
    weights_in_use_gb: Range
    """Memory of the weights of all minimum replicas in GB (10^9 bytes). A plan above the maximum is rejected."""
    availability_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of the year in which the environment is available: 0.999 allows 8.76 hours of downtime."""

    @property
    def serving(self) -> ServingTargets:
        """The targets that the serving stack's metrics show."""
        return ServingTargets(
            time_to_first_token_s=self.time_to_first_token_s,
            inter_token_latency_s=self.inter_token_latency_s,
            quality_fraction=self.quality_fraction,
            availability_fraction=self.availability_fraction,
        )

    @property
    def unavailable_h_per_year(self) -> float | None:
        """Hours of downtime a year that the availability allows."""
        return None if self.availability_fraction is None else (1 - self.availability_fraction) * _HOURS_PER_YEAR


def find_edge_s(target_s: float, edges_s: Sequence[float]) -> float:
    """Return the smallest bound of a bucket that is not below a target in seconds. Raises ValueError above the last."""
    edge_s = next((edge_s for edge_s in edges_s if edge_s >= target_s), None)
    if edge_s is None:
        raise ValueError(f"{target_s:g} s is above the last bucket, {edges_s[-1]:g} s")
    return edge_s
