"""All recording and alert rules of a serving stack, in groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from novacron_infra.config.sections.targets import ServingTargets
from novacron_infra.workloads.monitoring import cluster_alerts, gpu_alerts, serving_alerts
from novacron_infra.workloads.monitoring.objectives import list_burn_alerts, list_objectives, list_recordings
from novacron_infra.workloads.monitoring.rules import Alert, AlertingRule, PrometheusRuleSpec, RuleGroup, build_rule
from novacron_infra.workloads.names import NAMESPACE


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSettings:
    """Settings that the rules depend on."""

    worker_namespace: str
    model_load_s: int
    """How long a worker may load a model before somebody should look."""
    targets: ServingTargets = field(default_factory=ServingTargets)
    gpus_per_node: int = 0
    """GPUs of each worker's machine in the catalogue. 0: workers run on CPUs, or their machines are not known."""
    certificates: bool = False
    """Whether cert-manager is in the cluster."""
    fixed_workers: bool = False
    """Whether the stack always has all workers that its own quota allows."""
    runbooks_url: str | None = None
    """Where docs/runbooks is published. None: alerts name the file in the repository."""


def build_rules(settings: RuleSettings) -> PrometheusRuleSpec:
    """Return the rules."""
    return PrometheusRuleSpec(groups=tuple(_list_groups(settings)))


def _list_groups(settings: RuleSettings) -> Iterator[RuleGroup]:
    for objective in list_objectives(settings.targets):
        alerts = _build(list_burn_alerts(objective), settings)
        yield RuleGroup(name=f"novacron-slo-{objective.name}", rules=(*list_recordings(objective), *alerts))
    serving = _build(serving_alerts.list_alerts(settings.targets, settings.model_load_s), settings)
    yield RuleGroup(name="novacron-serving", rules=(*serving_alerts.list_recordings(), *serving))
    namespaces = tuple(dict.fromkeys((NAMESPACE, settings.worker_namespace)))
    cluster = cluster_alerts.list_alerts(
        namespaces, certificates=settings.certificates, fixed_workers=settings.fixed_workers
    )
    yield RuleGroup(name="novacron-cluster", rules=tuple(_build(cluster, settings)))
    if settings.gpus_per_node:
        gpus = gpu_alerts.list_alerts(settings.gpus_per_node)
        yield RuleGroup(name="novacron-gpus", rules=tuple(_build(gpus, settings)))


def _build(alerts: Iterable[Alert], settings: RuleSettings) -> list[AlertingRule]:
    return [build_rule(alert, settings.runbooks_url) for alert in alerts]
