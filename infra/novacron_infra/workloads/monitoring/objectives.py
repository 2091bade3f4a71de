"""Service level objectives from the environment's targets, and their alerts by burn rate.

An objective allows a share of the requests to miss it: the error budget. The burn rate is the share that missed it,
divided by the budget: at 1 the budget is used up exactly at the end of the objective's period. An alert needs a high
burn rate in a long window, so that it is worth a look, and in a short one, so that it ends soon after the cause does
(Site Reliability Workbook, chapter 5; the windows are those of kubernetes-mixin).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from novacron_infra.config.sections.targets import (
    TIME_PER_OUTPUT_TOKEN_EDGES_S,
    TIME_TO_FIRST_TOKEN_EDGES_S,
    Percentiles,
    ServingTargets,
    find_edge_s,
)
from novacron_infra.workloads.monitoring import metrics
from novacron_infra.workloads.monitoring.rules import Alert, Recording, Severity

AVAILABILITY_ALERT = "NovaCronAvailabilityBurn"
FIRST_TOKEN_ALERT = "NovaCronTimeToFirstTokenBurn"  # noqa: S105 - a token of text
INTER_TOKEN_ALERT = "NovaCronInterTokenLatencyBurn"  # noqa: S105 - a token of text
_PERCENTILES = (("p50", 0.5), ("p95", 0.95))


@dataclass(frozen=True, kw_only=True, slots=True)
class BurnRate:
    """The burn rate that raises an alert if both windows have it."""

    factor: float
    long: str
    short: str
    for_s: int
    severity: Severity


BURN_RATES = (
    BurnRate(factor=14.4, long="1h", short="5m", for_s=120, severity=Severity.CRITICAL),
    BurnRate(factor=6, long="6h", short="30m", for_s=900, severity=Severity.CRITICAL),
    BurnRate(factor=3, long="1d", short="2h", for_s=3600, severity=Severity.WARNING),
    BurnRate(factor=1, long="3d", short="6h", for_s=10_800, severity=Severity.WARNING),
)
"""With a period of 30 days they use 2% of the budget in an hour, 5% in six, 10% in a day, and 10% in three."""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A service level objective."""

    name: str
    """Value of the label `slo`."""
    alert: str
    """Name of its alerts."""
    promise: str
    """The objective as a sentence."""
    budget: float
    """The share of requests that may miss it."""
    describe_errors: Callable[[str], str]
    """Returns the expression of the share of requests that missed it within a window."""


def name_recording(window: str) -> str:
    """Return the name of the recorded burn rate of a window."""
    return f"novacron:slo_burn:rate{window}"


def list_objectives(targets: ServingTargets) -> Iterator[Objective]:
    """Return the objectives of an environment's targets.

    A latency counts as met at the next edge of the histogram's buckets, which the alert states.
    """
    if targets.availability_fraction is not None:
        yield Objective(
            name="availability",
            alert=AVAILABILITY_ALERT,
            promise=f"{100 * targets.availability_fraction:g}% of the requests are answered without a status of 5xx",
            budget=1 - targets.availability_fraction,
            describe_errors=_describe_failures,
        )
    if targets.time_to_first_token_s is not None:
        yield from _list_latencies(
            "time to first token",
            FIRST_TOKEN_ALERT,
            targets.time_to_first_token_s,
            (metrics.TIME_TO_FIRST_TOKEN, metrics.AT_COORDINATORS, TIME_TO_FIRST_TOKEN_EDGES_S),
        )
    if targets.inter_token_latency_s is not None:
        yield from _list_latencies(
            "inter-token latency",
            INTER_TOKEN_ALERT,
            targets.inter_token_latency_s,
            (metrics.TIME_PER_OUTPUT_TOKEN, metrics.AT_WORKERS, TIME_PER_OUTPUT_TOKEN_EDGES_S),
        )


def list_recordings(objective: Objective) -> Iterator[Recording]:
    """Return the rules that record the burn rate in each window."""
    for window in WINDOWS:
        yield Recording(
            record=name_recording(window),
            expr=f"({objective.describe_errors(window)}) / {objective.budget:.6g}",
            labels={"slo": objective.name},
        )


def list_burn_alerts(objective: Objective) -> Iterator[Alert]:
    """Return the alerts. A burn rate that would need more than all requests to miss the objective has none."""
    for rate in BURN_RATES:
        if rate.factor * objective.budget >= 1:
            continue
        above = [
            f'{name_recording(window)}{{slo="{objective.name}"}} > {rate.factor:g}'
            for window in (rate.long, rate.short)
        ]
        yield Alert(
            name=objective.alert,
            expr=" and ".join(above),
            for_s=rate.for_s,
            severity=rate.severity,
            summary=f"The error budget of {objective.name} is used up too fast.",
            description=f"Promise: {objective.promise}. The budget burns at {{{{ $value | humanize }}}} times the rate "
            f"that it allows, over {rate.long} and over {rate.short}.",
            labels={"slo": objective.name, "long_window": rate.long, "short_window": rate.short},
        )


def _describe_failures(window: str) -> str:
    # Without a failure yet, there is no series of failures. `or vector(0)` is 0 in its place.
    failed = metrics.rate(metrics.REQUESTS, f'{metrics.AT_COORDINATORS},status=~"5.."', window)
    return f"({failed} or vector(0)) / {metrics.rate(metrics.REQUESTS, metrics.AT_COORDINATORS, window)}"


def _list_latencies(
    what: str, alert: str, target: Percentiles, histogram: tuple[str, str, tuple[float, ...]]
) -> Iterator[Objective]:
    metric, labels, edges_s = histogram
    for percentile, share in _PERCENTILES:
        target_s: float = getattr(target, percentile)
        edge_s = find_edge_s(target_s, edges_s)
        within = f'{labels},le="{_write_edge(edge_s)}"'
        promise = f"{share:.0%} of the requests have a {what} of at most {edge_s:g} s"
        if edge_s != target_s:
            promise += f" (target: {target_s:g} s; the histogram's next edge counts)"

        def describe_errors(window: str, within: str = within) -> str:
            fast = metrics.rate(f"{metric}_bucket", within, window)
            return f"1 - {fast} / {metrics.rate(f'{metric}_count', labels, window)}"

        yield Objective(
            name=f"{what.replace(' ', '-')}-{percentile}",
            alert=alert,
            promise=promise,
            budget=1 - share,
            describe_errors=describe_errors,
        )


def _write_edge(edge_s: float) -> str:
    """Return the value of the label `le`, as Prometheus' Python client and Prometheus 3 write it."""
    return repr(float(edge_s))
