"""The report of a rehearsal as one page that needs nothing else: no script, no font, no file from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as escape_marks
from pathlib import Path

from novacron_infra.plan import HOURS_PER_MONTH, EnvironmentPlan

from novacron_ops.rehearsing.picture import picture
from novacron_ops.rehearsing.report import (
    LOSS_COLUMNS,
    LOSS_NOTES,
    Report,
    chain_text,
    cost_of_run,
    gpus,
    headline,
    loss_rows,
    machines,
    no_limits_text,
    recovery,
    services,
)

SHORT = 24
"""Characters of a cell that stays on one line."""


def page(report: Report) -> str:
    """The page; well-formed XML as well as HTML."""
    plan, run = report.plan, report.rehearsal
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    title = f"{report.stack}: rehearsal on simulated clouds"
    sections = [
        *([_section("Errors", f"<pre>{_escape(run.errors)}</pre>")] if run.errors else []),
        _figures(report),
        *(_topology(report, plan) if plan else []),
        _section("Resources by region", _regions(report)),
        *([_section("When a region dies", *_losses(plan))] if plan else []),
        _section("Slow to create", *_slow(report)),
        _section("Policies", *_policies(report)),
        *([_section("Model store", _list(plan.store_warnings))] if plan and plan.store_warnings else []),
        *([_section("What the cost hint leaves out", _list(plan.unpriced))] if plan else []),
    ]
    ended = "" if run.succeeded else ' class="bad"'
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{_escape(title)}</title><style>\n{style}</style></head>",
            "<body><main>",
            f"<h1>{_escape(title)}</h1><p{ended}>{_escape(headline(report))}</p>",
            *sections,
            f"</main><footer><p>{_escape(cost_of_run(run))}. Written by <code>novacron rehearse</code>.</p></footer>",
            "</body></html>\n",
        ]
    )


def _figures(report: Report) -> str:
    """The few figures that a reader wants first."""
    plan, run = report.plan, report.rehearsal
    tiles = [("simulated resources", str(run.resources))]
    if plan is not None:
        tiles = [
            (f"GPUs: {gpus(plan.regions)}", str(plan.gpus)),
            ("USD an hour, list price", f"{plan.usd_per_hour:,.2f}"),
            (f"USD a month of {HOURS_PER_MONTH} h", f"{plan.usd_per_hour * HOURS_PER_MONTH:,.0f}"),
            ("RTO: until clients have left a dead region", f"{plan.recovery.rto_s} s" if plan.recovery else "none"),
            *tiles,
        ]
    tiles.append(("policy violations", str(len(run.violations)) if run.policy_packs else "no pack"))
    inner = "".join(f"<div><dt>{_escape(name)}</dt><dd>{_escape(value)}</dd></div>" for name, value in tiles)
    return f'<dl class="figures">{inner}</dl>'


def _topology(report: Report, plan: EnvironmentPlan) -> list[str]:
    """The picture twice: for wide windows and for narrow ones; the style shows one of them."""
    counts = {name: services.total() for name, _, services in report.regions}
    pictures = [
        f'<div class="{key}">{picture(plan, counts, columns, key)}</div>'
        for key, columns in (("wide", 4), ("narrow", 1))
    ]
    return [_section("Topology", *pictures)]


def _regions(report: Report) -> str:
    if report.plan is None:
        rows = [[name, str(counts.total()), services(counts)] for name, _, counts in report.regions]
        return _table("Resources by region", ["region", "simulated resources", "by service"], rows)
    rows: list[list[str]] = []
    for name, region, counts in report.regions:
        planned = ["", "", "", "", ""]
        if region is not None:
            planned = [
                f"{region.traffic_fraction:.0%}",
                gpus([region]),
                "\n".join(machines(region)),
                f"{region.usd_per_hour:,.2f}",
                f"{region.usd_per_hour * HOURS_PER_MONTH:,.0f}",
            ]
        rows.append([name, *planned, str(counts.total()), services(counts)])
    head = ["region", "traffic", "GPUs", "machines", "USD/h", "USD/month", "simulated resources", "by service"]
    return _table("Resources by region", head, rows)


def _losses(plan: EnvironmentPlan) -> list[str]:
    told = f"<p>{_escape(recovery(plan))}.</p>"
    if not plan.losses:
        return [told]
    return [told, _table("When a region dies", LOSS_COLUMNS, loss_rows(plan)), _list(LOSS_NOTES)]


def _slow(report: Report) -> list[str]:
    waits = report.rehearsal.waits
    intro = "How long a provider waits at most before it gives up. These are limits, not measured times."
    notes = [_escape(text) for text in (chain_text(report), no_limits_text(report)) if text]
    if not waits.types:
        return ["<p>Nothing of which a limit is known.</p>", *(f"<p>{note}</p>" for note in notes)]
    rows = [[item.type, str(item.count), f"{item.limit_min:g} min", item.source] for item in waits.types]
    table = _table("Slow to create", ["type", "how many", "each at most", f"stated by (read {waits.read})"], rows)
    return [f"<p>{intro}</p>", table, *(f"<p>{note}</p>" for note in notes)]


def _policies(report: Report) -> list[str]:
    if not report.rehearsal.policy_packs:
        return ["<p>The project has no policy pack.</p>"]
    if not report.violations:
        return ["<p>No violation.</p>"]
    rows = [
        [
            item.policy,
            "mandatory" if item.mandatory else "advisory",
            str(item.resources),
            item.first,
            item.message,
        ]
        for item in report.violations
    ]
    return [_table("Policy violations", ["policy", "level", "how many", "first", "what it says"], rows)]


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"<section><h2>{_escape(title)}</h2>", *parts, "</section>"])


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_escape(item)}</li>' for item in items)}</ul>"


def _table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is wider than the window; figures stand to the right."""
    figures = [_is_figure(cell) for cell in (rows or [head])[0]]

    def cells(tag: str, row: Sequence[str]) -> str:
        styles = [
            "figure" if figure else "short" if len(cell) <= SHORT else "long"
            for cell, figure in zip(row, figures, strict=True)
        ]
        return "".join(
            f'<{tag} class="{style}">{_escape(cell)}</{tag}>' for cell, style in zip(row, styles, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" role="region" aria-label="{_escape(name)}" tabindex="0"><table>'
        f"<thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _escape(text: str) -> str:
    """Text as it stands in a page. Errors may bring a terminal's control characters: a page cannot hold them."""
    return escape_marks("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"))


def _is_figure(cell: str) -> bool:
    return cell.removesuffix(" min").removesuffix("%").replace(",", "").replace(".", "").isdigit()
