"""The report of a rehearsal as text."""

from __future__ import annotations

from novacron_infra.plan import EnvironmentPlan, summarize_plan
from novacron_infra.shown_values import show_count

from novacron_ops.plan_report import describe_recovery, failure_notes, failure_table
from novacron_ops.rehearsal.report import (
    PLANNED_HEADINGS,
    PolicyViolations,
    Report,
    describe_cost_of_run,
    describe_outcome,
    dynamic_notes,
    list_services,
    loss_notes,
    planned_cells,
    policy_notes,
    timeout_notes,
    timeout_table,
)
from novacron_ops.tables import Table, indent


def report_lines(report: Report) -> list[str]:
    """Return the report as lines of text."""
    run, plan = report.rehearsal, report.plan
    parts = [
        [describe_outcome(report), *dynamic_notes(report), *([summarize_plan(plan)] if plan else [])],
        *([loss_notes(report)] if loss_notes(report) else []),
        *([["Errors", *indent(run.errors.splitlines())]] if run.errors else []),
        ["Regions (simulated cloud resources, without components and providers)", *indent(_regions(report))],
        ["Resources by service", *indent(_services(report))],
        *([["Region failure", *indent(_failures(plan))]] if plan else []),
        ["Slow to create (how long a provider waits before it gives up, not measured)", *indent(_timeouts(report))],
        ["Policies", *indent([*policy_notes(report), *map(_violations, report.violations)])],
        *([["Warnings", *indent(plan.warnings)]] if plan and plan.warnings else []),
        *([["Not included in the cost", *indent(plan.cost.not_included)]] if plan else []),
        [describe_cost_of_run(run)],
    ]
    return [line for part in parts for line in ("", *part)][1:]


def _regions(report: Report) -> list[str]:
    if report.plan is None:
        return Table(
            ["region", "resources"], [[name, str(counts.total())] for name, _, counts in report.regions]
        ).lines()
    rows: list[list[str]] = []
    for name, region, counts in report.regions:
        planned = planned_cells(report.plan, region, machine_separator=", ")
        rows.append([name, *planned, str(counts.total())])
    return Table(["region", *PLANNED_HEADINGS, "resources"], rows).lines()


def _services(report: Report) -> list[str]:
    """Return one line for all regions that have the same services."""
    regions_by_services: dict[str, list[str]] = {}
    for name, _, counts in report.regions:
        regions_by_services.setdefault(list_services(counts), []).append(name)
    return [f"{', '.join(names)}: {services}" for services, names in regions_by_services.items()]


def _failures(plan: EnvironmentPlan) -> list[str]:
    table = [*failure_table(plan).lines(), *failure_notes(plan)] if plan.region_failures else []
    return [describe_recovery(plan), *table]


def _timeouts(report: Report) -> list[str]:
    table = timeout_table(report).lines() if report.rehearsal.timeouts.types else []
    return [*table, *timeout_notes(report)]


def _violations(item: PolicyViolations) -> str:
    where = item.first if item.resources == 1 else f"{show_count(item.resources, 'resource')}, first {item.first}"
    return f"{item.level} {item.policy}: {where}: {item.message}"
