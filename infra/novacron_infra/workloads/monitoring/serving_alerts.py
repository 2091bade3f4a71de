"""Alerts on the metrics of coordinators and workers."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.sections.targets import ServingTargets
from novacron_infra.workloads.monitoring import metrics as m
from novacron_infra.workloads.monitoring.rules import Alert, Recording, Severity
from novacron_infra.workloads.names import COORDINATORS, WORKERS

HIT_RATIO = "novacron:response_cache_hits:ratio_rate1h"
"""Share of the cacheable requests of an hour that the response cache answered."""
_MINUTE_S = 60
_FAILED_SHARE, _RETRIED_SHARE = 0.05, 0.1
_KV_CACHE_FULL = 0.9
"""Above this, an engine holds requests back or drops blocks of prompts that it could reuse."""
_FEW_LOOKUPS_PER_S = 0.1


def list_recordings() -> Iterator[Recording]:
    """Return the recordings that the alerts need."""
    hits = m.rate(m.CACHE_LOOKUPS, f'{m.AT_COORDINATORS},result="hit"', "1h")
    # Every cacheable request asks the memory first.
    lookups = m.rate(m.CACHE_LOOKUPS, f'{m.AT_COORDINATORS},level="memory"', "1h")
    yield Recording(record=HIT_RATIO, expr=f"({hits} or vector(0)) / {lookups}")


def list_alerts(targets: ServingTargets, model_load_s: int) -> Iterator[Alert]:
    """Return the alerts.

    Args:
        targets: targets of the stack.
        model_load_s: how long a worker may load a model before somebody should look.
    """
    yield from _list_missing()
    yield from _list_workers(model_load_s)
    yield from _list_requests(targets)
    quality = targets.quality_fraction
    if quality is not None:
        yield Alert(
            name="NovaCronQualityBelowTarget",
            expr=f"min by (model, quantization) ({m.QUALITY_SCORE}{{{m.AT_WORKERS}}}) < {quality.minimum:g}",
            for_s=5 * _MINUTE_S,
            severity=Severity.WARNING,
            summary="A served model has a quality below the target.",
            description="{{ $labels.model }} with quantization {{ $labels.quantization }} was measured at "
            f"{{{{ $value | humanizePercentage }}}} of FP32; the target is {quality.minimum:.4g}.",
        )


def _list_missing() -> Iterator[Alert]:
    for pods, selector in ((COORDINATORS, m.AT_COORDINATORS), (WORKERS, m.AT_WORKERS)):
        yield Alert(
            name="NovaCronMetricsMissing",
            expr=f"absent(up{{{selector}}} == 1)",
            for_s=5 * _MINUTE_S,
            severity=Severity.CRITICAL,
            summary=f"Prometheus gets no metrics of any {pods}.",
            description="All other alerts on these pods are blind: either none is running, or Prometheus cannot "
            "reach them.",
            labels={"pods": pods},
        )
    yield Alert(
        name="NovaCronTargetDown",
        expr=f'up{{job=~"{COORDINATORS}|{WORKERS}"}} == 0',
        for_s=5 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="Prometheus cannot read the metrics of a pod.",
        description="{{ $labels.pod }} in {{ $labels.namespace }} does not answer Prometheus.",
    )


def _list_workers(model_load_s: int) -> Iterator[Alert]:
    active, loaded = f"{m.WORKERS_ACTIVE}{{{m.AT_COORDINATORS}}}", f"sum({m.MODEL_LOADED}{{{m.AT_WORKERS}}})"
    yield Alert(
        name="NovaCronWorkersBelowMinimum",
        expr=f"{active} < {m.WORKERS_MINIMUM}{{{m.AT_COORDINATORS}}}",
        for_s=2 * _MINUTE_S,
        severity=Severity.CRITICAL,
        summary="A coordinator has fewer workers than its minimum.",
        description="{{ $labels.pod }} has {{ $value }} active workers and is degraded.",
    )
    yield Alert(
        name="NovaCronWorkersUnused",
        expr=f"{active} < on () group_left () {loaded}",
        for_s=10 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="Workers that have loaded their model get no requests from a coordinator.",
        description="{{ $labels.pod }} sends requests to {{ $value }} workers, and more have a model loaded.",
    )
    yield Alert(
        name="NovaCronModelLoadSlow",
        expr=f"{m.MODEL_LOADED}{{{m.AT_WORKERS}}} == 0",
        for_s=model_load_s,
        severity=Severity.WARNING,
        summary="A worker needs too long to load its model.",
        description=f"{{{{ $labels.pod }}}} has been loading for more than {model_load_s} s.",
    )


def _list_requests(targets: ServingTargets) -> Iterator[Alert]:
    at = m.AT_COORDINATORS
    requests = m.rate(m.REQUESTS, at, "5m")
    if targets.availability_fraction is None:
        failed = m.rate(m.REQUESTS, f'{at},status=~"5.."', "5m")
        yield Alert(
            name="NovaCronRequestsFail",
            expr=f"{failed} / {requests} > {_FAILED_SHARE:g}",
            for_s=10 * _MINUTE_S,
            severity=Severity.WARNING,
            summary="Many requests fail.",
            description="{{ $value | humanizePercentage }} of the requests end with a status of 5xx.",
        )
    yield Alert(
        name="NovaCronRequestsRetried",
        expr=f"{m.rate(m.RETRIES, at, '5m')} / {requests} > {_RETRIED_SHARE:g}",
        for_s=10 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="Coordinators send many requests to a second worker.",
        description="{{ $value | humanizePercentage }} of the requests are retried: workers fail or are full, and "
        "clients wait longer.",
    )
    yield Alert(
        name="NovaCronQueueBuildsUp",
        expr=f"sum({m.REQUESTS_WAITING}{{{at}}}) > sum({m.REQUESTS_RUNNING}{{{at}}})",
        for_s=5 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="More requests wait for a worker than are served.",
        description="{{ $value }} requests wait in the queues of the coordinators.",
    )
    yield Alert(
        name="NovaCronKvCacheFull",
        expr=f"avg({m.KV_CACHE_UTILIZATION}{{{m.AT_WORKERS}}}) > {_KV_CACHE_FULL:g}",
        for_s=10 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="The key-value caches of the workers are full.",
        description="They are used to {{ $value | humanizePercentage }} on average, so requests wait for memory.",
    )
    lookups = m.rate(m.CACHE_LOOKUPS, f'{at},level="memory"', "1h")
    yield Alert(
        name="NovaCronCacheHitsDropped",
        expr=f"{HIT_RATIO} < 0.5 * ({HIT_RATIO} offset 1d) and {lookups} > {_FEW_LOOKUPS_PER_S:g}",
        for_s=30 * _MINUTE_S,
        severity=Severity.INFO,
        summary="The response cache answers less than half as many requests as a day ago.",
        description="It answers {{ $value | humanizePercentage }} of the cacheable requests; workers compute the rest.",
    )
    yield Alert(
        name="NovaCronDependencyDown",
        expr=f"{m.DEPENDENCY_UP}{{{at}}} == 0",
        for_s=5 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="A coordinator cannot reach its database or Redis.",
        description="{{ $labels.pod }} cannot reach the {{ $labels.dependency }} and continues with cached data.",
    )
