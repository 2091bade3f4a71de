"""Monitors, rules, dashboards and runbooks of the serving stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from novacron_infra import ConfigurationError
from novacron_infra.config import FirstTokenTarget, Percentiles, Range, ServingTargets
from novacron_infra.config.sections.monitoring import Traces
from novacron_infra.config.sections.targets import TIME_PER_OUTPUT_TOKEN_EDGES_S, TIME_TO_FIRST_TOKEN_EDGES_S
from novacron_infra.environment import describe_monitoring
from novacron_infra.plan.monitoring import PrometheusObjects
from novacron_infra.workloads.custom_resources import to_properties
from novacron_infra.workloads.monitoring import metrics
from novacron_infra.workloads.monitoring.dashboards import read_dashboards
from novacron_infra.workloads.monitoring.objectives import list_objectives
from novacron_infra.workloads.monitoring.rule_groups import RuleSettings, build_rules
from novacron_infra.workloads.monitoring.rules import AlertingRule, name_page
from novacron_serving.protocol import contract

from tests.definitions import check_object
from tests.unit.plan.serving import serve
from tests.unit.workloads.cluster import Stack, declare, environment, get
from tests.unit.workloads.regions import declare_region

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ("Meaning", "Impact", "Find the cause", "Mend it")
TARGETS = ServingTargets(
    time_to_first_token_s=FirstTokenTarget(p50=0.1, p95=0.2),
    inter_token_latency_s=Percentiles(p50=0.03, p95=0.05),
    quality_fraction=Range(minimum=0.97),
    availability_fraction=0.999,
)
MONITORED = PrometheusObjects(targets=TARGETS, scrape_interval_s=20, gpus_per_node=8, certificates=True)


@pytest.fixture(scope="module")
def stack() -> Stack:
    return declare(prometheus=MONITORED)


def list_alerts() -> dict[str, AlertingRule]:
    settings = [
        RuleSettings(worker_namespace="w", model_load_s=60, targets=targets, gpus_per_node=8, certificates=True)
        for targets in (TARGETS, ServingTargets())
    ]
    groups = [group for one in settings for group in build_rules(one).groups]
    return {rule.alert: rule for group in groups for rule in group.rules if isinstance(rule, AlertingRule)}


def test_names_of_metrics_and_bucket_edges_are_those_of_the_serving_package() -> None:
    ours = {
        value
        for name, value in vars(metrics).items()
        if name.isupper() and value.startswith(("novacron", "trt", "gen"))
    }
    assert ours == set(contract()["metrics"].values()) - {"trtllm_kv_cache_tokens_per_block"}
    edges_s = contract()["bucket_edges_s"]
    assert tuple(edges_s["time_to_first_token"]) == TIME_TO_FIRST_TOKEN_EDGES_S
    assert tuple(edges_s["time_per_output_token"]) == TIME_PER_OUTPUT_TOKEN_EDGES_S
    assert edges_s.keys() == {"time_to_first_token", "time_per_output_token"}


def test_latency_targets_of_the_environments_are_bucket_edges() -> None:
    for target_s in (0.1, 0.2, 0.3, 0.5, 1):
        assert target_s in TIME_TO_FIRST_TOKEN_EDGES_S
    for target_s in (0.03, 0.05, 0.1):
        assert target_s in TIME_PER_OUTPUT_TOKEN_EDGES_S


def test_a_target_between_two_edges_counts_as_the_next_one_and_says_so() -> None:
    targets = ServingTargets(time_to_first_token_s=FirstTokenTarget(p50=0.1, p95=0.18))
    median, slow = list_objectives(targets)
    assert 'le="0.1"' in median.describe_errors("5m")
    assert 'le="0.2"' in slow.describe_errors("5m")
    assert median.promise == "50% of the requests have a time to first token of at most 0.1 s"
    assert slow.promise.endswith("at most 0.2 s (target: 0.18 s; the histogram's next edge counts)")


def test_objects_fit_their_definitions(stack: Stack) -> None:
    found = [item for item in stack.objects if item.inputs["apiVersion"] == "monitoring.coreos.com/v1"]
    assert sorted((item.inputs["kind"], get(item, "metadata.name")) for item in found) == [
        ("PodMonitor", "llm-coordinator"),
        ("PodMonitor", "llm-workers"),
        ("PrometheusRule", "llm-rules"),
    ]
    for item in found:
        check_object(item.inputs)


def test_monitors_select_the_pods_at_the_interval(stack: Stack) -> None:
    for name, monitor in stack.of("PodMonitor").items():
        (endpoint,) = get(monitor, "spec.podMetricsEndpoints")
        pods = get(monitor, "spec.selector.matchLabels")
        assert pods == {"app.kubernetes.io/name": name.partition("/")[2]}
        pod = stack.coordinator if name.endswith("coordinator") else stack.worker
        (port,) = [item for item in pod["containers"][0]["ports"] if item["name"] == endpoint["port"]]
        assert port["containerPort"] == (9464 if pod is stack.coordinator else 9091)
        assert (endpoint["interval"], endpoint["scheme"]) == ("20s", "http")


def test_only_monitoring_reaches_the_metrics_of_coordinators(stack: Stack) -> None:
    (config,) = get(stack.of("ConfigMap")["novacron-llm/llm-coordinator"], "data").values()
    assert json.loads(config)["metrics_port"] == 9464
    named = [port["name"] for service in stack.of("Service").values() for port in get(service, "spec.ports")]
    assert "metrics" not in named
    opened = {
        name: rule.get("from")
        for name, policy in stack.of("NetworkPolicy").items()
        for rule in get(policy, "spec").get("ingress", ())
        if 9464 in [port["port"] for port in rule["ports"]]
    }
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert opened == {"novacron-llm/coordinators-from-monitoring": [monitoring]}


def test_the_quota_of_a_stack_counts_unless_its_workers_always_use_all_of_it(stack: Stack) -> None:
    scaled = declare_region(serve(), monitoring=MONITORED)
    for one, ignored in ((stack, True), (scaled, False)):
        groups = get(one.one("PrometheusRule", "llm-rules"), "spec.groups")
        (expr,) = [
            rule["expr"]
            for group in groups
            for rule in group["rules"]
            if rule.get("alert") == "NovaCronQuotaNearlyUsed"
        ]
        assert ('resourcequota!="novacron"' in expr) is ignored


def test_a_stack_without_the_operator_has_no_such_objects() -> None:
    bare = declare()
    assert not [item for item in bare.objects if item.inputs["apiVersion"] == "monitoring.coreos.com/v1"]
    assert not [name for name in bare.of("ConfigMap") if "dashboard" in name]


def test_grafana_finds_the_dashboards_by_their_label(stack: Stack) -> None:
    maps = {name: item for name, item in stack.of("ConfigMap").items() if "dashboard" in name}
    assert set(maps) == {"novacron-llm/llm-dashboard-gpus", "novacron-llm/llm-dashboard-serving"}
    for item in maps.values():
        assert get(item, "metadata.labels")["grafana_dashboard"] == "1"
        ((file, content),) = get(item, "data").items()
        assert file.endswith(".json")
        assert json.loads(content)["uid"] == file.removesuffix(".json")


def test_dashboards_are_what_their_source_builds() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="the library of the dashboards needs Python 3.11")
    from tools.dashboards import DASHBOARDS, write_dashboard

    assert {name: write_dashboard(build) for name, build in DASHBOARDS.items()} == read_dashboards(), "run make golden"


def test_dashboards_show_what_the_requirements_name() -> None:
    serving, gpus = (json.loads(read_dashboards()[name]) for name in ("serving", "gpus"))
    titles = {panel["title"] for dashboard in (serving, gpus) for panel in dashboard["panels"]}
    assert titles >= {
        "Request latency", "Time to first token", "Inter-token latency", "Tokens", "Requests",
        "Response cache hit rate", "GPU utilisation", "Key-value cache in use", "Requests running and waiting",
        "Workers", "Quality", "Compression ratio", "Burn rate of the error budgets",
    }  # fmt: skip


def test_every_alert_has_a_severity_a_summary_a_description_and_a_runbook() -> None:
    for name, rule in list_alerts().items():
        assert rule.labels["severity"] in {"critical", "warning", "info"}, name
        assert rule.annotations["summary"].endswith("."), name
        assert rule.annotations["description"].endswith("."), name
        assert (ROOT / rule.annotations["runbook"]).is_file(), name


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {file.stem for file in RUNBOOKS.glob("*.md")} - {"index", "replication-late"}
    assert pages == {name_page(name) for name in list_alerts()}


@pytest.mark.parametrize("file", sorted(RUNBOOKS.glob("[!i]*.md")), ids=lambda file: file.stem)
def test_page_has_its_sections_and_is_listed(file: Path) -> None:
    text = file.read_text()
    assert tuple(re.findall(r"^## (.*)$", text, re.MULTILINE)) == SECTIONS
    assert f"({file.name})" in (RUNBOOKS / "index.md").read_text()


def test_runbooks_are_linked_where_they_are_published() -> None:
    settings = RuleSettings(worker_namespace="w", model_load_s=60, runbooks_url="https://docs.example.com/runbooks/")
    rules = [rule for group in build_rules(settings).groups for rule in group.rules if isinstance(rule, AlertingRule)]
    urls = {rule.annotations["runbook_url"] for rule in rules}
    assert "https://docs.example.com/runbooks/metrics-missing.html" in urls


def test_alerts_on_gpus_never_read_the_level_of_the_sticky_gauge() -> None:
    assert "DCGM_FI_DEV_XID_ERRORS" not in json.dumps(to_properties(build_rules(RuleSettings(
        worker_namespace="w", model_load_s=60, gpus_per_node=8,
    ))))  # fmt: skip


def test_traces_go_to_the_collector_and_nowhere_else() -> None:
    traced = declare(monitoring={"traces": {"endpoint": "http://collector.tracing.svc:4318", "sampled_fraction": 0.05}})
    for pod in (traced.coordinator, traced.worker):
        variables: dict[str, Any] = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
        assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.tracing.svc:4318"
        assert variables["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
        assert variables["OTEL_TRACES_SAMPLER_ARG"] == "0.05"
    policies = {name: item for name, item in traced.of("NetworkPolicy").items() if name.endswith("to-traces")}
    assert set(policies) == {"novacron-llm/coordinators-to-traces", "novacron-llm/workers-to-traces"}
    for item in policies.values():
        assert get(item, "spec.egress") == [{"ports": [{"port": 4318, "protocol": "TCP"}]}]
    assert not [name for name in declare().of("NetworkPolicy") if "traces" in name]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://collector:4318", 4318), ("https://traces.example.com", 443), ("http://traces.example.com/otlp", 80)],
)
def test_port_of_a_collector(endpoint: str, port: int) -> None:
    assert Traces(endpoint=endpoint).port == port


@pytest.mark.parametrize(
    ("choice", "declared"), [(None, False), ("none", False), ("existing", True), ("install", True)]
)
def test_add_on_decides_whether_a_cluster_of_your_own_gets_the_objects(choice: str | None, declared: bool) -> None:
    add_ons: dict[str, Any] = {} if choice is None else {"monitoring": choice, "cert_manager": "existing"}
    config = environment(add_ons=add_ons, targets={"availability_fraction": 0.99}, monitoring={"scrape_interval_s": 30})
    settings = describe_monitoring(config)
    assert (settings is not None) == declared
    if settings is not None:
        assert settings == PrometheusObjects(
            targets=ServingTargets(availability_fraction=0.99), scrape_interval_s=30, certificates=True
        )


def test_latency_targets_above_the_last_bucket_are_rejected() -> None:
    with pytest.raises(ConfigurationError) as error:
        environment(targets={"time_to_first_token_s": {"p50": 1, "p95": 61}})
    assert "targets.time_to_first_token_s.p95 = 61: the serving stack counts latencies up to 60 s" in str(error.value)
