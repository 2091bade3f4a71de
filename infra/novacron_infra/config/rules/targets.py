"""Rules for the targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from novacron_infra.config.problems import problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.targets import (
    TIME_PER_OUTPUT_TOKEN_EDGES_S,
    TIME_TO_FIRST_TOKEN_EDGES_S,
    Percentiles,
    Range,
    ServingTargets,
)
from novacron_infra.errors import Problem

_EDGES_S = {
    "time_to_first_token_s": TIME_TO_FIRST_TOKEN_EDGES_S,
    "inter_token_latency_s": TIME_PER_OUTPUT_TOKEN_EDGES_S,
}


def check_targets(parts: Parts) -> Iterator[Problem]:
    """Check the order of percentiles and bounds, and that quality is a fraction."""
    targets = parts.get("targets")
    if targets is None:
        return
    yield from check_serving_targets(targets.serving)
    for name, bounds in (
        ("throughput_tokens_per_s", targets.throughput_tokens_per_s),
        ("weights_in_use_gb", targets.weights_in_use_gb),
    ):
        yield from _check_range(f"targets.{name}", bounds)


def check_serving_targets(targets: ServingTargets) -> Iterator[Problem]:
    """Check the targets that the serving stack's metrics show."""
    latencies: Mapping[str, Percentiles | None] = {
        "time_to_first_token_s": targets.time_to_first_token_s,
        "inter_token_latency_s": targets.inter_token_latency_s,
    }
    for name, latency in latencies.items():
        if latency is not None:
            yield from _check_latency(f"targets.{name}", latency, _EDGES_S[name][-1])
    if (quality := targets.quality_fraction) is None:
        return
    yield from _check_range("targets.quality_fraction", quality)
    for name, value in (("minimum", quality.minimum), ("maximum", quality.maximum)):
        if value is not None and value > 1:
            fix = f"Write {value:g}% as {value / 100:g}" if value <= 100 else "Use a fraction such as 0.97"
            yield problem(f"targets.quality_fraction.{name}", value, "a fraction is at most 1", fix)


def _check_latency(path: str, latency: Percentiles, longest_s: float) -> Iterator[Problem]:
    if latency.p50 > latency.p95:
        rule = f"it is more than {path}.p95, {latency.p95:g}"
        yield problem(f"{path}.p50", latency.p50, rule, f"Use {latency.p95:g} or less, or raise p95")
    if latency.p95 > longest_s:
        rule = f"the serving stack counts latencies up to {longest_s:g} s, so no alert could tell that it is missed"
        yield problem(f"{path}.p95", latency.p95, rule, f"Use {longest_s:g} or less")


def _check_range(path: str, bounds: Range) -> Iterator[Problem]:
    if bounds.maximum is not None and bounds.minimum > bounds.maximum:
        rule = f"it is more than {path}.maximum, {bounds.maximum:g}"
        fix = f"Use {bounds.maximum:g} or less, or raise the maximum"
        yield problem(f"{path}.minimum", bounds.minimum, rule, fix)
