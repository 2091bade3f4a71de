"""The alert and recording rules, as promtool checks and evaluates them: each alert fires, and does not fire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from novacron_infra.workloads.monitoring.objectives import BURN_RATES
from novacron_infra.workloads.monitoring.rule_groups import RuleSettings, build_rules
from novacron_infra.workloads.monitoring.rules import AlertingRule

from .promtool import EVERYTHING, WITHOUT_TARGETS, check_rules, run_test, write_rules

COORDINATOR = 'job="llm-coordinator",namespace="novacron-llm",pod="c-0"'
WORKER = 'job="llm-workers",namespace="novacron-workers",pod="llm-workers-0"'
REQUESTS = f"novacron_requests_total{{{COORDINATOR},status="
FIRST_TOKEN = f"gen_ai_server_time_to_first_token_seconds_%s{{{COORDINATOR}%s}}"
PER_TOKEN = f"gen_ai_server_time_per_output_token_seconds_%s{{{WORKER}%s}}"


@dataclass(frozen=True)
class Case:
    """Series of a minute's interval, and how many alerts of a name fire at a time.

    They are counted by severity, or by their long window where they have one.
    """

    alert: str
    series: Mapping[str, str]
    at: str
    firing: Mapping[str, int] = field(default_factory=dict)
    settings: RuleSettings = EVERYTHING


DAYS_BEFORE = 4
"""Days without a miss before the series of objectives begin: the longest window sees nothing but them."""


def counted(per_minute: float, percent: float, hours: float) -> str:
    """Return a counter of which a share is counted for some hours, after days in which all of it was."""
    start = DAYS_BEFORE * 24 * 60
    share = per_minute * percent / 100
    return f"0+{per_minute:g}x{start} {per_minute * start + share:g}+{share:g}x{round(hours * 60)}"


def later(hours: float) -> str:
    """Return the time that is some hours after the days without a miss."""
    return f"{round((DAYS_BEFORE * 24 + hours) * 60)}m"


def failing(percent: float, hours: float) -> dict[str, str]:
    """Return requests, 100 a minute, of which this share fails for some hours."""
    failures = f"0x{DAYS_BEFORE * 24 * 60} {percent:g}+{percent:g}x{round(hours * 60)}"
    return {f'{REQUESTS}"200"}}': counted(100, 100 - percent, hours), f'{REQUESTS}"503"}}': failures}


def simply_failing(percent: int) -> dict[str, str]:
    """Return an hour of requests, 100 a minute, of which this share fails."""
    return {f'{REQUESTS}"200"}}': f"0+{100 - percent}x60", f'{REQUESTS}"503"}}': f"0+{percent}x60"}


def slow(histogram: str, edge: str, percent: float, hours: float) -> dict[str, str]:
    """Return a histogram of 100 requests a minute, of which this share is above an edge for some hours."""
    within = histogram % ("bucket", f',le="{edge}"')
    return {within: counted(100, 100 - percent, hours), histogram % ("count", ""): counted(100, 100, hours)}


def restarts(container: str, values: str) -> dict[str, str]:
    labels = f'namespace="novacron-workers",pod="p-0",container="{container}"'
    return {f"kube_pod_container_status_restarts_total{{{labels}}}": values}


def quota(used: int, name: str = "gpus", namespace: str = "novacron-workers") -> dict[str, str]:
    labels = f'namespace="{namespace}",resourcequota="{name}",resource="requests.nvidia.com/gpu",type='
    return {f'kube_resourcequota{{{labels}"used"}}': f"{used}x60", f'kube_resourcequota{{{labels}"hard"}}': "100x60"}


def certificate(expires_s: int, renews_s: int) -> dict[str, str]:
    return {
        'certmanager_certificate_expiration_timestamp_seconds{name="llm-api"}': f"{expires_s}x60",
        'certmanager_certificate_renewal_timestamp_seconds{name="llm-api"}': f"{renews_s}x60",
    }


def gpus(offered: int, *, exporter: str = "gpu-1") -> dict[str, str]:
    node = 'node="gpu-1",resource="nvidia_com_gpu"'
    return {
        f"kube_node_status_allocatable{{{node}}}": f"{offered}x60",
        f"kube_node_status_capacity{{{node}}}": "8x60",
        f'DCGM_FI_DEV_GPU_UTIL{{Hostname="{exporter}",gpu="0"}}': "50x60",
    }


def xid(code: int, values: str) -> dict[str, str]:
    labels = f'Hostname="gpu-1",gpu="3",xid="{code}",window_size_in_ms="300000"'
    return {f"DCGM_EXP_XID_ERRORS_COUNT{{{labels}}}": values}


def lookups(hits: str) -> dict[str, str]:
    labels = f"{COORDINATOR},level="
    return {
        f'novacron_cache_lookups_total{{{labels}"memory",result="hit"}}': hits,
        f'novacron_cache_lookups_total{{{labels}"memory",result="miss"}}': "0+30x2000",
    }


def workers(active: int, loaded: str = "1x60") -> dict[str, str]:
    return {
        f"novacron_workers_active{{{COORDINATOR}}}": f"{active}x60",
        f"novacron_workers_minimum{{{COORDINATOR}}}": "1x60",
        f"novacron_model_loaded{{{WORKER}}}": loaded,
    }


def queue(waiting: int, running: int) -> dict[str, str]:
    return {
        f"trtllm_num_requests_waiting{{{COORDINATOR}}}": f"{waiting}x30",
        f"trtllm_num_requests_running{{{COORDINATOR}}}": f"{running}x30",
    }


def retried(percent: int) -> dict[str, str]:
    return {f"novacron_retries_total{{{COORDINATOR}}}": f"0+{percent}x60", f'{REQUESTS}"200"}}': "0+100x60"}


UP, DOWN = {f"up{{{COORDINATOR}}}": "1x60", f"up{{{WORKER}}}": "1x60"}, {f"up{{{COORDINATOR}}}": "0x60"}
CRITICAL, WARNING, INFO = {"critical": 1}, {"warning": 1}, {"info": 1}
BURN, FIRST, INTER = "NovaCronAvailabilityBurn", "NovaCronTimeToFirstTokenBurn", "NovaCronInterTokenLatencyBurn"
RESTARTS = "NovaCronCoordinatorRestarts"
CASES = {
    # 2% of failures are a burn rate of 20.
    "a burst of failures": Case(BURN, failing(2, 2), later(1.5), {"1h": 1}),
    "failures of a minute": Case(BURN, failing(2, 1 / 60), later(0.5)),
    # 0.8% are a burn rate of 8.
    "failures for hours": Case(BURN, failing(0.8, 8), later(7), {"6h": 1}),
    # 0.4% are a burn rate of 4, 0.2% one of 2.
    "failures for a day": Case(BURN, failing(0.4, 25), later(23.5), {"1d": 1, "3d": 1}),
    "failures for days": Case(BURN, failing(0.2, 90), later(80), {"3d": 1}),
    "failures within the budget": Case(BURN, failing(0.05, 90), later(80)),
    "no failure at all": Case(BURN, {f'{REQUESTS}"200"}}': "0+100x120"}, "100m"),
    "no request at all": Case(BURN, {f'{REQUESTS}"200"}}': "5x120"}, "100m"),
    "nothing but failures": Case(BURN, failing(100, 3), later(2), {"1h": 1, "6h": 1, "1d": 1}),
    "failures that ended an hour ago": Case(
        BURN,
        {f'{REQUESTS}"200"}}': counted(100, 100, 3), f'{REQUESTS}"503"}}': f"0x{DAYS_BEFORE * 1440} 0+2x30 60x200"},
        later(1.5),
    ),
    "slow first tokens": Case(FIRST, slow(FIRST_TOKEN, "0.2", 80, 2), later(1.5), {"1h": 1}),
    "first tokens within the target": Case(FIRST, slow(FIRST_TOKEN, "0.2", 4, 90), later(80)),
    "a median above the target": Case(FIRST, slow(FIRST_TOKEN, "0.1", 60, 90), later(80), {"3d": 1}),
    "a median within the target": Case(FIRST, slow(FIRST_TOKEN, "0.1", 40, 90), later(80)),
    "slow tokens": Case(INTER, slow(PER_TOKEN, "0.05", 80, 2), later(1.5), {"1h": 1}),
    "tokens within the target": Case(INTER, slow(PER_TOKEN, "0.05", 4, 90), later(80)),
    "no metrics": Case("NovaCronMetricsMissing", {}, "10m", {"critical": 2}),
    "no metrics of workers": Case("NovaCronMetricsMissing", {f"up{{{COORDINATOR}}}": "1x60"}, "10m", CRITICAL),
    "metrics": Case("NovaCronMetricsMissing", UP, "10m"),
    "a pod without metrics": Case("NovaCronTargetDown", UP | DOWN, "10m", WARNING),
    "all pods with metrics": Case("NovaCronTargetDown", UP, "10m"),
    "too few workers": Case("NovaCronWorkersBelowMinimum", workers(0), "5m", CRITICAL),
    "enough workers": Case("NovaCronWorkersBelowMinimum", workers(1), "5m"),
    "a loaded worker that no coordinator uses": Case("NovaCronWorkersUnused", workers(0), "15m", WARNING),
    "all loaded workers are used": Case("NovaCronWorkersUnused", workers(1), "15m"),
    "a worker that loads": Case("NovaCronWorkersUnused", workers(0, "0x60"), "15m"),
    "a slow load": Case("NovaCronModelLoadSlow", workers(0, "0x60"), "12m", WARNING),
    "a quick load": Case("NovaCronModelLoadSlow", workers(0, "0x5 1x60"), "12m"),
    "many failures": Case("NovaCronRequestsFail", simply_failing(10), "30m", WARNING, WITHOUT_TARGETS),
    "few failures": Case("NovaCronRequestsFail", simply_failing(1), "30m", settings=WITHOUT_TARGETS),
    "many retries": Case("NovaCronRequestsRetried", retried(20), "20m", WARNING),
    "few retries": Case("NovaCronRequestsRetried", retried(2), "20m"),
    "a long queue": Case("NovaCronQueueBuildsUp", queue(9, 4), "10m", WARNING),
    "a short queue": Case("NovaCronQueueBuildsUp", queue(2, 4), "10m"),
    "full caches": Case("NovaCronKvCacheFull", {f"trtllm_kv_cache_utilization{{{WORKER}}}": "0.95x60"}, "15m", WARNING),
    "half-full caches": Case("NovaCronKvCacheFull", {f"trtllm_kv_cache_utilization{{{WORKER}}}": "0.5x60"}, "15m"),
    # 10 hits and 30 misses a minute, for a day; then none.
    "hits that dropped": Case("NovaCronCacheHitsDropped", lookups("0+10x1440 14400x500"), "26h", INFO),
    "as many hits as before": Case("NovaCronCacheHitsDropped", lookups("0+10x2000"), "26h"),
    "a cache without Redis": Case(
        "NovaCronDependencyDown",
        {f'novacron_dependency_up{{{COORDINATOR},dependency="redis"}}': "0x60"}, "10m", WARNING,
    ),
    "a database that answers": Case(
        "NovaCronDependencyDown", {f'novacron_dependency_up{{{COORDINATOR},dependency="database"}}': "1x60"}, "10m"
    ),
    "low quality": Case(
        "NovaCronQualityBelowTarget",
        {f'novacron_quality_score{{{WORKER},model="m",quantization="int4"}}': "0.91x60"}, "10m", WARNING,
    ),
    "quality above the target": Case(
        "NovaCronQualityBelowTarget",
        {f'novacron_quality_score{{{WORKER},model="m",quantization="int8"}}': "0.99x60"}, "10m",
    ),
    "a coordinator that restarts": Case(RESTARTS, restarts("coordinator", "0x30 1x30"), "40m", WARNING),
    "a coordinator that restarted long ago": Case(RESTARTS, restarts("coordinator", "0x30 1x90"), "2h"),
    "a worker in a crash loop": Case("NovaCronWorkerRestarts", restarts("worker", "0+0.1x60"), "60m", WARNING),
    "a worker that restarted once": Case("NovaCronWorkerRestarts", restarts("worker", "0x30 1x30"), "60m"),
    "a pod that is pending": Case(
        "NovaCronPodsPending",
        {'kube_pod_status_phase{namespace="novacron-workers",pod="p",phase="Pending"}': "1x60"}, "20m", WARNING,
    ),
    "a pod of warm capacity that is pending": Case(
        "NovaCronPodsPending",
        {'kube_pod_status_phase{namespace="novacron-workers",pod="llm-warm-capacity-6f-x7",phase="Pending"}': "1x60"},
        "20m",
    ),
    "a pod of somebody else that is pending": Case(
        "NovaCronPodsPending", {'kube_pod_status_phase{namespace="other",pod="p",phase="Pending"}': "1x60"}, "20m"
    ),
    "a quota that is nearly used": Case("NovaCronQuotaNearlyUsed", quota(95), "20m", WARNING),
    "a quota of the stack that its workers nearly use": Case(
        "NovaCronQuotaNearlyUsed", quota(95, "novacron"), "20m", WARNING
    ),
    "a quota of the stack that its fixed workers always use": Case(
        "NovaCronQuotaNearlyUsed", quota(100, "novacron", "novacron-llm"), "20m", settings=WITHOUT_TARGETS
    ),
    "another quota of a stack with fixed workers": Case(
        "NovaCronQuotaNearlyUsed", quota(95, namespace="novacron-llm"), "20m", WARNING, WITHOUT_TARGETS
    ),
    "a quota with room": Case("NovaCronQuotaNearlyUsed", quota(50), "20m"),
    # A certificate of 90 days that renews 30 days before its end. Time begins at 0 here.
    "a certificate that was not renewed": Case(
        "NovaCronCertificateNotRenewed", certificate(14 * 86400, -16 * 86400), "20m", CRITICAL
    ),
    "a certificate whose renewal has just begun": Case(
        "NovaCronCertificateNotRenewed", certificate(29 * 86400, -86400), "20m"
    ),
    "an XID of the hardware": Case("NovaCronGpuError", xid(79, "0x5 1x3"), "7m", CRITICAL),
    "an XID that left the window": Case("NovaCronGpuError", xid(79, "0x5 1x3 0x20"), "15m"),
    "an XID of an application": Case("NovaCronGpuError", xid(31, "1x60"), "7m"),
    "the sticky gauge": Case("NovaCronGpuError", {'DCGM_FI_DEV_XID_ERRORS{Hostname="gpu-1",gpu="3"}': "79x60"}, "7m"),
    "a lost GPU": Case("NovaCronGpuMissing", gpus(7), "20m", WARNING),
    "all GPUs": Case("NovaCronGpuMissing", gpus(8), "20m"),
    "a node without an exporter": Case("NovaCronGpuMetricsMissing", gpus(8, exporter="gpu-2"), "15m", WARNING),
    "a node with an exporter": Case("NovaCronGpuMetricsMissing", gpus(8), "15m"),
}  # fmt: skip


@pytest.mark.parametrize("settings", [EVERYTHING, WITHOUT_TARGETS], ids=["everything", "without targets"])
def test_promtool_accepts_the_rules(tmp_path: Path, settings: RuleSettings) -> None:
    assert "SUCCESS" in check_rules(write_rules(tmp_path, settings))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_alert_fires_when_it_should(tmp_path: Path, case: Case) -> None:
    of_objective = case.alert in (BURN, FIRST, INTER)
    label = "long_window" if of_objective else "severity"
    firing = f'count by ({label}) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    expected = [{"labels": f'{{{label}="{value}"}}', "value": count} for value, count in case.firing.items()]
    run_test(
        tmp_path,
        write_rules(tmp_path, case.settings, case.alert),
        {
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "promql_expr_test": [{"expr": firing, "eval_time": case.at, "exp_samples": expected}],
        },
        # Days of minutes would take minutes.
        evaluation_interval="30m" if of_objective else "1m",
    )


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    for settings in (EVERYTHING, WITHOUT_TARGETS):
        for group in build_rules(settings).groups:
            for rule in group.rules:
                if isinstance(rule, AlertingRule):
                    cases = [case for case in CASES.values() if case.alert == rule.alert]
                    assert {bool(case.firing) for case in cases} == {True, False}, rule.alert


def test_description_has_the_figures(tmp_path: Path) -> None:
    series = {f"novacron_workers_active{{{COORDINATOR}}}": "0x9", f"novacron_workers_minimum{{{COORDINATOR}}}": "1x9"}
    expected = {
        "exp_labels": {"severity": "critical", "job": "llm-coordinator", "namespace": "novacron-llm", "pod": "c-0"},
        "exp_annotations": {
            "summary": "A coordinator has fewer workers than its minimum.",
            "description": "c-0 has 0 active workers and is degraded.",
            "runbook": "docs/runbooks/workers-below-minimum.md",
        },
    }
    run_test(
        tmp_path,
        write_rules(tmp_path, EVERYTHING),
        {
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {"eval_time": "5m", "alertname": "NovaCronWorkersBelowMinimum", "exp_alerts": [expected]}
            ],
        },
    )


def test_short_windows_are_a_twelfth_of_the_long_ones() -> None:
    minutes = {"m": 1, "h": 60, "d": 24 * 60}

    def find_minutes(window: str) -> int:
        return int(window[:-1]) * minutes[window[-1]]

    assert {find_minutes(rate.long) / find_minutes(rate.short) for rate in BURN_RATES} == {12}
