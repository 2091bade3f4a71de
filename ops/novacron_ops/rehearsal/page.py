"""The report of a rehearsal as a web page: one file without scripts, fonts or anything from elsewhere."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from novacron_infra.plan import HOURS_PER_MONTH, EnvironmentPlan, count_gpus

from novacron_ops.plan_report import describe_recovery, failure_notes, failure_table
from novacron_ops.rehearsal.report import (
    PLANNED_HEADINGS,
    Report,
    describe_cost_of_run,
    describe_outcome,
    dynamic_notes,
    list_services,
    planned_cells,
    policy_notes,
    timeout_notes,
    timeout_table,
)
from novacron_ops.rehearsal.topology import draw_topology
from novacron_ops.tables import Table

_FOLDER = Path(__file__).parent
SHORT = 24
"""Characters of a cell that does not wrap."""


def render_page(report: Report) -> str:
    """Return the page, which is well-formed XML as well as HTML."""
    plan = report.plan
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(
        cell_class=_cell_class,
        title=f"{report.stack}: rehearsal on simulated clouds",
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        outcome=describe_outcome(report),
        dynamic_notes=dynamic_notes(report),
        run=report.rehearsal,
        plan=plan,
        tiles=_tiles(report),
        topologies=_topologies(report, plan) if plan else {},
        regions=_regions(report),
        recovery=describe_recovery(plan) if plan else "",
        failures=failure_table(plan) if plan and plan.region_failures else None,
        failure_notes=failure_notes(plan) if plan else [],
        timeouts=timeout_table(report),
        timeout_notes=timeout_notes(report),
        policy_notes=policy_notes(report),
        violations=_violations(report),
        cost_of_run=describe_cost_of_run(report.rehearsal),
    )


def _printable(value: object) -> object:
    """Drop control characters, which errors may have from a terminal: XML cannot contain them."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(letter for letter in value if letter.isprintable() or letter in "\n\t")


def _cell_class(cell: str, is_figure: bool) -> str:
    """Return the CSS class of a table cell."""
    if is_figure:
        return "figure"
    return "short" if len(cell) <= SHORT else "long"


def _tiles(report: Report) -> list[tuple[str, str]]:
    """Return the most important figures, each with its name."""
    plan, run = report.plan, report.rehearsal
    tiles = [("simulated resources", str(run.resources)), ("policy violations", _count_violations(report))]
    if plan is None:
        return tiles
    return [
        (f"GPUs: {count_gpus(plan.regions)}", str(plan.gpus)),
        ("USD per hour, list price", f"{plan.cost.usd_per_hour:,.2f}"),
        (f"USD per month of {HOURS_PER_MONTH} h", f"{plan.cost.usd_per_month:,.0f}"),
        ("RTO: until clients have left a failed region", f"{plan.recovery.rto_s} s" if plan.recovery else "none"),
        *tiles,
    ]


def _count_violations(report: Report) -> str:
    if not report.rehearsal.policy_packs:
        return "no pack"
    found = sum(item.resources for item in report.violations)
    if report.unchecked_packs:
        return f"{found} or more" if found else "unknown"
    return str(found)


def _topologies(report: Report, plan: EnvironmentPlan) -> dict[str, Markup]:
    """Return the topology for wide and for narrow windows; the style sheet shows one of them."""
    counts = {name: services.total() for name, _, services in report.regions}
    return {key: draw_topology(plan, counts, columns, key) for key, columns in (("wide", 4), ("narrow", 1))}


def _regions(report: Report) -> Table:
    headings = ["region", "simulated resources", "by service"]
    if report.plan is None:
        rows = [[name, str(counts.total()), list_services(counts)] for name, _, counts in report.regions]
        return Table(headings, rows)
    rows = []
    for name, region, counts in report.regions:
        planned = planned_cells(report.plan, region, machine_separator="\n")
        rows.append([name, *planned, str(counts.total()), list_services(counts)])
    return Table([headings[0], *PLANNED_HEADINGS, *headings[1:]], rows)


def _violations(report: Report) -> Table:
    return Table(
        ["policy", "level", "resources", "first", "message"],
        [[item.policy, item.level, str(item.resources), item.first, item.message] for item in report.violations],
    )
