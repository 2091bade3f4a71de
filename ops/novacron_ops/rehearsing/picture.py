"""The topology of an environment as an inline SVG: the name on top, below it the regions that answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import ceil

from novacron_infra.plan import EnvironmentPlan, RegionLoss, RegionPlan

from novacron_ops.rehearsing.report import gpus

BOX_WIDTH, GAP, LINE, HEAD = 284, 20, 21, 84
"""In the picture's own units, which are pixels where it is not scaled."""
WIDEST = 7.5
"""What a letter takes on average at most: longer lines are squeezed into their box."""
MARGIN = 28
"""To the left and right: room for the line to further rows."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    style: str = ""


def picture(plan: EnvironmentPlan, resources: dict[str, int], columns: int, key: str) -> str:
    """The picture.

    Args:
        plan: what is drawn.
        resources: how many simulated resources each region has, by its name.
        columns: how many regions stand side by side.
        key: makes the ids of this picture its own on a page.
    """
    losses = {loss.region: loss for loss in plan.losses}
    boxes = [_lines(region, resources.get(region.name, 0), losses.get(region.name)) for region in plan.regions]
    columns = min(columns, len(boxes))
    rows, height = ceil(len(boxes) / columns), max(map(len, boxes)) * LINE + 26
    drop = GAP if columns == 1 else 2 * GAP
    width = 2 * MARGIN + columns * BOX_WIDTH + (columns - 1) * GAP
    total = HEAD + rows * (height + drop) + 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc">',
        f'<title id="{key}-title">Topology of {escape(plan.config.environment.value)}</title>',
        f'<desc id="{key}-desc">{escape(_in_words(plan, resources))}</desc>',
        f'<defs><marker id="{key}-arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 10 5 0 10z" class="arrow"/></marker></defs>',
        _box(MARGIN, 0, width - 2 * MARGIN, HEAD, _name(plan), "name"),
    ]
    for index, lines in enumerate(boxes):
        row, column = divmod(index, columns)
        x, top = MARGIN + column * (BOX_WIDTH + GAP), HEAD + row * (height + drop) + drop
        arrow = f'class="line" marker-end="url(#{key}-arrow)"'
        if columns == 1:
            path = f"M{MARGIN} {HEAD / 2}H{MARGIN / 2}V{top + height / 2}H{x - 1}"
        elif row == 0:
            path = f"M{width / 2} {HEAD}V{top - drop / 2}H{x + BOX_WIDTH / 2}V{top - 1}"
        else:  # past the rows above, down the left margin
            path = f"M{MARGIN} {HEAD / 2}H{MARGIN / 2}V{top - drop / 2}H{x + BOX_WIDTH / 2}V{top - 1}"
        parts += [f'<path d="{path}" {arrow}/>', _box(x, top, BOX_WIDTH, height, lines, "region")]
    return "\n".join([*parts, "</svg>"])


def _name(plan: EnvironmentPlan) -> list[_Line]:
    traffic = plan.config.traffic
    if traffic is None or plan.recovery is None:
        return [_Line("one region", "strong"), _Line("nothing takes over when it dies")]
    return [
        _Line(traffic.domain, "strong"),
        _Line(f"{plan.recovery.service}, TTL {traffic.ttl_s} s, RTO {plan.recovery.rto_s} s"),
        _Line("arithmetic, not measured", "quiet"),
    ]


def _lines(region: RegionPlan, resources: int, loss: RegionLoss | None) -> list[_Line]:
    cloud = region.platform.value
    lines = [
        _Line(region.name, "strong"),
        _Line(f"{cloud}, weight {region.weight}: {region.traffic_fraction:.0%} of the traffic", "quiet"),
        _Line(gpus([region]), "strong"),
        *(_Line(f"{item.count} × {item.machine.name} {item.role}") for item in region.machines),
        _Line(f"{region.usd_per_hour:,.2f} USD an hour, list price"),
        _Line(f"{resources} simulated resources"),
    ]
    if loss is None:
        return lines
    moves, safe = f"{loss.traffic_fraction:.0%}", f"{loss.safe_load_fraction:.0%}"
    return [
        *lines,
        _Line(f"if it dies, {moves} of the traffic moves;", "quiet"),
        _Line(f"no overload below {safe} load before", "quiet"),
    ]


def _in_words(plan: EnvironmentPlan, resources: dict[str, int]) -> str:
    regions = "; ".join(
        f"{region.name} with {region.traffic_fraction:.0%} of the traffic, {gpus([region])}, "
        f"{region.usd_per_hour:,.2f} USD an hour at list price, {resources.get(region.name, 0)} simulated resources"
        for region in plan.regions
    )
    return f"{', '.join(line.text for line in _name(plan))}. It leads to: {regions}."


def _box(x: float, y: float, width: float, height: float, lines: list[_Line], style: str) -> str:
    room = width - 28
    squeezed = f' textLength="{room}" lengthAdjust="spacingAndGlyphs"'
    texts = "".join(
        f'<text x="{x + 14}" y="{y + 28 + index * LINE}" class="{line.style}"'
        f"{squeezed if len(line.text) * WIDEST > room else ''}>{escape(line.text)}</text>"
        for index, line in enumerate(lines)
    )
    return f'<rect x="{x}" y="{y + 1}" width="{width}" height="{height - 1}" rx="8" class="{style}"/>{texts}'
