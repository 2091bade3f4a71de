"""Declares the monitoring of a serving stack in a cluster that has the Prometheus operator."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.plan.monitoring import PrometheusObjects
from novacron_infra.workloads.custom_resources import declare_custom_resource
from novacron_infra.workloads.monitoring.dashboards import SIDECAR_LABEL, read_dashboards
from novacron_infra.workloads.monitoring.monitors import POD_MONITOR, describe_monitor
from novacron_infra.workloads.monitoring.rule_groups import RuleSettings, build_rules
from novacron_infra.workloads.monitoring.rules import PROMETHEUS_RULE
from novacron_infra.workloads.names import COORDINATORS, NAMESPACE, WORKERS
from novacron_infra.workloads.pods import label_object, label_pods

_RULES, _DASHBOARD = "llm-rules", "llm-dashboard"
_LATE = 0.8
"""Share of its start timeout after which a worker loads too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitoredPods:
    """The pods that are monitored."""

    worker_namespace: str
    start_timeout_s: int
    """Seconds that a worker may take to load its model before it is restarted."""
    worker_tls: bool = False
    """Whether the workers' port has TLS."""
    fixed_workers: bool = False
    """Whether the stack always has all workers that its own quota allows."""


def declare_monitoring(
    name: str, settings: PrometheusObjects, pods: MonitoredPods, opts: pulumi.ResourceOptions
) -> list[pulumi.CustomResource]:
    """Declare monitors, rules and dashboards. The definitions of the Prometheus operator must be in the cluster first.

    Args:
        name: how the names of the Pulumi resources begin.
        settings: the environment's settings.
        pods: the pods to monitor.
        opts: Pulumi's options.
    """
    places = (
        (COORDINATORS, NAMESPACE, "metrics", False),
        (WORKERS, pods.worker_namespace, "http", pods.worker_tls),
    )
    monitors: list[pulumi.CustomResource] = [
        declare_custom_resource(
            f"{name}-{process}-monitor",
            POD_MONITOR,
            label_object(process, namespace, process),
            describe_monitor(process, port=port, interval_s=settings.scrape_interval_s, tls=tls),
            opts,
        )
        for process, namespace, port, tls in places
    ]
    rules = declare_custom_resource(
        f"{name}-rules",
        PROMETHEUS_RULE,
        label_object(_RULES, NAMESPACE, _RULES),
        build_rules(_describe_rules(settings, pods)),
        opts,
    )
    return [*monitors, rules, *(_declare_dashboards(name, opts) if settings.grafana else ())]


def _describe_rules(settings: PrometheusObjects, pods: MonitoredPods) -> RuleSettings:
    return RuleSettings(
        worker_namespace=pods.worker_namespace,
        # Before the kubelet restarts the worker, which starts its time again.
        model_load_s=round(_LATE * pods.start_timeout_s),
        targets=settings.targets,
        gpus_per_node=settings.gpus_per_node,
        certificates=settings.certificates,
        fixed_workers=pods.fixed_workers,
        runbooks_url=settings.runbooks_url,
    )


def _declare_dashboards(name: str, opts: pulumi.ResourceOptions) -> list[k8s.core.v1.ConfigMap]:
    return [
        k8s.core.v1.ConfigMap(
            f"{name}-dashboard-{dashboard}",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=f"{_DASHBOARD}-{dashboard}",
                namespace=NAMESPACE,
                labels={**label_pods(_DASHBOARD), SIDECAR_LABEL: "1"},
            ),
            data={f"novacron-{dashboard}.json": content},
            opts=opts,
        )
        for dashboard, content in read_dashboards().items()
    ]
