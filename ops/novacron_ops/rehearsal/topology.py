"""The topology of an environment as an SVG: its domain name on top, its regions below."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from markupsafe import Markup, escape
from novacron_infra.plan import EnvironmentPlan, RegionCost, RegionFailure, RegionPlan, count_gpus

BOX_WIDTH, GAP, LINE, HEAD = 284, 20, 21, 84
"""In user units of the SVG, which are pixels at its natural size."""
LETTER_WIDTH = 7.5
"""Upper bound of a letter's average width. A longer line is compressed to fit its box."""
MARGIN = 28
"""On the left and right: room for the arrow to the second and later rows."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    style: str = ""


def draw_topology(plan: EnvironmentPlan, resources: dict[str, int], columns: int, key: str) -> Markup:
    """Return the topology as an SVG element.

    Args:
        plan: the environment's plan.
        resources: number of simulated resources of each region, by region name.
        columns: number of regions in a row.
        key: prefix of the element's ids, which must be unique on a page.
    """
    failures = {failure.region: failure for failure in plan.region_failures}
    boxes = [
        _region_lines(region, cost, resources.get(region.name, 0), failures.get(region.name))
        for region, cost in zip(plan.regions, plan.cost.regions, strict=True)
    ]
    columns = min(columns, len(boxes))
    rows, height = ceil(len(boxes) / columns), max(map(len, boxes)) * LINE + 26
    drop = GAP if columns == 1 else 2 * GAP
    width = 2 * MARGIN + columns * BOX_WIDTH + (columns - 1) * GAP
    total = HEAD + rows * (height + drop) + 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc">',
        f'<title id="{key}-title">Topology of {escape(plan.config.environment)}</title>',
        f'<desc id="{key}-desc">{escape(_describe(plan, resources))}</desc>',
        f'<defs><marker id="{key}-arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 10 5 0 10z" class="arrow"/></marker></defs>',
        _box(MARGIN, 0, width - 2 * MARGIN, HEAD, _endpoint_lines(plan), "name"),
    ]
    for index, lines in enumerate(boxes):
        row, column = divmod(index, columns)
        x, top = MARGIN + column * (BOX_WIDTH + GAP), HEAD + row * (height + drop) + drop
        arrow = f'class="line" marker-end="url(#{key}-arrow)"'
        if columns == 1:
            path = f"M{MARGIN} {HEAD / 2}H{MARGIN / 2}V{top + height / 2}H{x - 1}"
        elif row == 0:
            path = f"M{width / 2} {HEAD}V{top - drop / 2}H{x + BOX_WIDTH / 2}V{top - 1}"
        else:  # down the left margin, past the rows above
            path = f"M{MARGIN} {HEAD / 2}H{MARGIN / 2}V{top - drop / 2}H{x + BOX_WIDTH / 2}V{top - 1}"
        parts += [f'<path d="{path}" {arrow}/>', _box(x, top, BOX_WIDTH, height, lines, "region")]
    return Markup("\n".join([*parts, "</svg>"]))  # noqa: S704 - all texts in it are escaped


def _endpoint_lines(plan: EnvironmentPlan) -> list[_Line]:
    traffic = plan.config.traffic
    if traffic is None or plan.recovery is None:
        return [_Line("one region", "strong"), _Line("no region takes over when it fails")]
    return [
        _Line(traffic.domain, "strong"),
        _Line(f"{plan.recovery.service}, TTL {traffic.ttl_s} s, RTO {plan.recovery.rto_s} s"),
        _Line("calculated, not measured", "quiet"),
    ]


def _region_lines(region: RegionPlan, cost: RegionCost, resources: int, failure: RegionFailure | None) -> list[_Line]:
    cloud = region.platform.value
    lines = [
        _Line(region.name, "strong"),
        _Line(f"{cloud}, weight {region.weight}: {region.traffic_fraction:.0%} of the traffic", "quiet"),
        _Line(count_gpus([region]), "strong"),
        *(_Line(f"{item.count} × {item.machine.name} {item.role}") for item in region.machines),
        _Line(f"{cost.usd_per_hour:,.2f} USD per hour, list price"),
        _Line(f"{resources} simulated resources"),
    ]
    if failure is None:
        return lines
    moves, safe = f"{failure.traffic_fraction:.0%}", f"{failure.safe_load_fraction:.0%}"
    return [
        *lines,
        _Line(f"on failure {moves} of the traffic moves;", "quiet"),
        _Line(f"no overload below {safe} load", "quiet"),
    ]


def _describe(plan: EnvironmentPlan, resources: dict[str, int]) -> str:
    """Return the topology in words, for screen readers."""
    regions = "; ".join(
        f"{region.name} with {region.traffic_fraction:.0%} of the traffic, {count_gpus([region])}, "
        f"{cost.usd_per_hour:,.2f} USD per hour at list price, {resources.get(region.name, 0)} simulated resources"
        for region, cost in zip(plan.regions, plan.cost.regions, strict=True)
    )
    return f"{', '.join(line.text for line in _endpoint_lines(plan))}. Regions: {regions}."


def _box(x: float, y: float, width: float, height: float, lines: list[_Line], style: str) -> str:
    room = width - 28
    squeezed = f' textLength="{room}" lengthAdjust="spacingAndGlyphs"'
    texts = "".join(
        f'<text x="{x + 14}" y="{y + 28 + index * LINE}" class="{line.style}"'
        f"{squeezed if len(line.text) * LETTER_WIDTH > room else ''}>{escape(line.text)}</text>"
        for index, line in enumerate(lines)
    )
    return f'<rect x="{x}" y="{y + 1}" width="{width}" height="{height - 1}" rx="8" class="{style}"/>{texts}'
