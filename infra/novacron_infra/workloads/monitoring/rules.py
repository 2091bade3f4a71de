"""Recording and alert rules, and the PrometheusRule that holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from novacron_infra.workloads.custom_resources import CustomKind

PROMETHEUS_RULE = CustomKind(api_version="monitoring.coreos.com/v1", kind="PrometheusRule")
_PREFIX = "NovaCron"
_RUNBOOKS = "docs/runbooks"


class Severity(str, Enum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    """Now: requests fail, or soon will."""
    WARNING = "warning"
    """Within a working day."""
    INFO = "info"
    """When there is time: it costs money or speed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert. Its name is that of its runbook page."""

    name: str
    """Name in camel case; it starts with `NovaCron`."""
    expr: str
    """A PromQL expression. The alert fires for each series that it returns."""
    for_s: int
    """How long the expression has to return a series before the alert fires."""
    severity: Severity
    summary: str
    """One sentence about what is wrong."""
    description: str
    """The figures. `{{ $value }}` and `{{ $labels.… }}` are Prometheus' templates."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels in addition to the severity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A recording rule: the result of an expression under a name of its own."""

    record: str
    expr: str
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertingRule:
    """An alert as Prometheus takes it."""

    alert: str
    expr: str
    for_: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other, so that alerts see what was recorded before them."""

    name: str
    rules: Sequence[Recording | AlertingRule]


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusRuleSpec:
    """Specification of a PrometheusRule."""

    groups: Sequence[RuleGroup]


def name_page(alert: str) -> str:
    """Return the name of an alert's runbook page, without its suffix: `NovaCronGpuMissing` is `gpu-missing`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.removeprefix(_PREFIX)).lower()


def build_rule(alert: Alert, runbooks_url: str | None) -> AlertingRule:
    """Return an alert as Prometheus takes it.

    Args:
        alert: the alert.
        runbooks_url: where the runbook pages are published. None: the annotation names the file in the repository.
    """
    page = name_page(alert.name)
    runbook = {"runbook": f"{_RUNBOOKS}/{page}.md"}
    if runbooks_url is not None:
        runbook = {"runbook_url": f"{runbooks_url.rstrip('/')}/{page}.html"}
    return AlertingRule(
        alert=alert.name,
        expr=alert.expr,
        for_=f"{alert.for_s}s",
        labels={"severity": alert.severity.value, **alert.labels},
        annotations={"summary": alert.summary, "description": alert.description, **runbook},
    )
