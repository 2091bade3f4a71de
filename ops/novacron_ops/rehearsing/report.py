"""What a person is told of a rehearsal, joined with the stack's plan: as text and as plain values for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from novacron_infra.plan import HOURS_PER_MONTH, EnvironmentPlan, RegionPlan
from novacron_infra.plan import values as plan_values
from novacron_rehearsal import PolicyPackState
from novacron_rehearsal import urn as urns

from novacron_ops.rehearsing.run import Rehearsal


@dataclass(frozen=True, slots=True)
class Violations:
    """One policy that was violated."""

    policy: str
    mandatory: bool
    resources: int
    """How many violate it."""
    first: str
    """The first of them, by type and name; `the stack` for a policy of all resources together."""
    message: str
    """What it says of the first."""


@dataclass(frozen=True, slots=True)
class Report:
    """A rehearsal, and the plan of its environment; no plan where the program is not one of ours."""

    stack: str
    rehearsal: Rehearsal
    plan: EnvironmentPlan | None

    @property
    def violations(self) -> tuple[Violations, ...]:
        """By policy, the mandatory ones first."""
        found: dict[str, list[int]] = {}
        items = self.rehearsal.violations
        for index, item in enumerate(items):
            found.setdefault(item.policy, []).append(index)
        grouped = [
            Violations(
                policy,
                any(items[index].mandatory for index in indices),
                len(indices),
                _type_and_name(items[indices[0]].urn),
                items[indices[0]].message,
            )
            for policy, indices in found.items()
        ]
        return tuple(sorted(grouped, key=lambda group: (not group.mandatory, group.policy)))

    @property
    def regions(self) -> tuple[tuple[str, RegionPlan | None, Counter[str]], ...]:
        """The plan's regions in its order, then what is elsewhere: name, plan, simulated resources by service."""
        counts = self.rehearsal.by_region
        planned = {region.name: region for region in self.plan.regions} if self.plan else {}
        elsewhere = sorted(counts.keys() - planned.keys())
        return tuple((name, planned.get(name), counts.get(name, Counter())) for name in (*planned, *elsewhere))


def _type_and_name(urn: str) -> str:
    return f"{urns.parse(urn).type} {urns.parse(urn).name}" if urn else "the stack"


def values(report: Report) -> dict[str, Any]:
    """The report as JSON values. Keys have their units; `plan` is what `novacron plan --json` says."""
    run = report.rehearsal
    return {
        "simulated": True,
        "stack": report.stack,
        "succeeded": run.succeeded,
        "errors": run.errors,
        "resources": run.resources,
        "duration_s": round(run.duration_s, 1),
        "peak_memory_mib": {
            "own_process": round(run.peak_memory.own / 2**20),
            "largest_child": round(run.peak_memory.largest_child / 2**20),
        },
        "regions": {name: dict(sorted(counts.items())) for name, _, counts in report.regions},
        "slow_to_create": {
            "read": run.waits.read,
            "types": [
                {"type": item.type, "count": item.count, "limit_min": item.limit_min, "source": item.source}
                for item in run.waits.types
            ],
            "longest_chain": [
                {"name": link.name, "type": link.type, "limit_min": link.limit_min}
                for link in run.waits.longest_chain.links
            ],
            "longest_chain_limit_min": run.waits.longest_chain.limit_min,
            "without_limits": list(run.waits.without_limits),
        },
        "policy_packs": len(run.policy_packs),
        "policies": [
            {"pack": str(pack.path), "state": pack.state.value, "reason": pack.reason} for pack in run.policy_packs
        ],
        "violations": [
            {"policy": item.policy, "mandatory": item.mandatory, "urn": item.urn, "message": item.message}
            for item in run.violations
        ],
        "plan": report.plan and plan_values(report.plan),
    }


def describe(report: Report) -> list[str]:
    """The report as text lines."""
    run, plan = report.rehearsal, report.plan
    parts = [
        [headline(report), *([summary(plan)] if plan else [])],
        *([["Errors", *_indented(run.errors.splitlines())]] if run.errors else []),
        ["Regions; resources are the simulated ones", *_indented(_regions(report))],
        ["Simulated resources by service", *_indented(_services(report))],
        *([["When a region dies", *_indented(_losses(plan))]] if plan else []),
        ["Slow to create: how long a provider waits at most. Limits, not measured times", *_indented(_slow(report))],
        ["Policies", *_indented(_policies(report))],
        *([["Model store", *_indented(plan.store_warnings)]] if plan and plan.store_warnings else []),
        *([["The cost hint leaves out", *_indented(plan.unpriced)]] if plan else []),
        [cost_of_run(run)],
    ]
    return [line for part in parts for line in ("", *part)][1:]


def headline(report: Report) -> str:
    """How the run ended."""
    run = report.rehearsal
    ended = (
        f"{run.resources} resources came up"
        if run.succeeded
        else f"it would not come up; {run.resources} resources did"
    )
    return f"{report.stack} on simulated clouds: {ended}. Nothing real was contacted or made."


def summary(plan: EnvironmentPlan) -> str:
    """GPUs, cost hint and recovery time in one line."""
    rto = f", {plan.recovery.rto_s} s until clients have left a dead region" if plan.recovery else ""
    monthly = plan.usd_per_hour * HOURS_PER_MONTH
    return f"{gpus(plan.regions)}, {plan.usd_per_hour:,.2f} USD/h = {monthly:,.0f} USD/month at list price{rto}"


def gpus(regions: Sequence[RegionPlan]) -> str:
    """How many GPUs of which kind workers have in these regions at the start."""
    found: Counter[str] = Counter()
    for region in regions:
        kind = next((item.machine.gpu for item in region.machines if item.machine.gpu), "GPU")
        found[kind] += region.gpus
    return " + ".join(f"{count} × {kind}" for kind, count in found.items())


def machines(region: RegionPlan) -> list[str]:
    """The machines of a region, a role each."""
    return [f"{item.count} × {item.machine.name} {item.role}" for item in region.machines]


def services(counts: Counter[str]) -> str:
    """Resources by service, the most first."""
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {service}" for service, count in most_first) or "none"


def recovery(plan: EnvironmentPlan) -> str:
    """How long a dead region keeps its clients."""
    if plan.recovery is None:
        return f"nothing takes over: {plan.regions[0].name} is the only region"
    return (
        f"{plan.recovery.service}: {plan.recovery.arithmetic} until clients have left it; "
        "the provider's own publication comes on top and is not bounded"
    )


LOSS_COLUMNS = ("region", "its traffic", "safe load", "fullest then", "when scaling up began", "at maximum workers")
LOSS_NOTES = (
    "safe load: the highest load of the environment before, with which no survivor gets more than it can serve",
    "then: load of the fullest survivor when all were at the threshold of scaling up, and once all have their maximum "
    "of workers; above 100% waits",
)


def loss_rows(plan: EnvironmentPlan) -> list[list[str]]:
    """What the death of each region means, in `LOSS_COLUMNS`."""
    return [
        [
            loss.region,
            f"{loss.traffic_fraction:.0%}",
            f"{loss.safe_load_fraction:.0%}",
            loss.fullest_region,
            *(
                "–" if value is None else f"{value:.0%}"
                for value in (loss.load_after_fraction, loss.load_at_maximum_fraction)
            ),
        ]
        for loss in plan.losses
    ]


def chain_text(report: Report) -> str:
    """The longest chain of waits; empty where nothing is waited for."""
    chain = report.rehearsal.waits.longest_chain
    if not chain.links:
        return ""
    links = " → ".join(f"{link.name} {link.limit_min:g}" for link in chain.links)
    return f"at most {chain.limit_min:g} min of such waits along the longest chain: {links}"


def no_limits_text(report: Report) -> str:
    """Of which packages no limit is known; empty where there are none."""
    packages = report.rehearsal.waits.without_limits
    return f"no limit is known for any resource of {', '.join(packages)}" if packages else ""


def cost_of_run(run: Rehearsal) -> str:
    """What the rehearsal itself took."""
    own, child = run.peak_memory.own / 2**20, run.peak_memory.largest_child / 2**20
    return (
        f"The rehearsal took {run.duration_s:.1f} s; peak memory {own:,.0f} MiB in this process (engine and simulated "
        f"clouds), {child:,.0f} MiB in the largest that it started"
    )


def _regions(report: Report) -> list[str]:
    if report.plan is None:
        return _table([["region", "resources"], *([name, str(n.total())] for name, _, n in report.regions)])
    rows = [["region", "traffic", "GPUs", "machines", "USD/h", "USD/month", "resources"]]
    for name, region, counts in report.regions:
        if region is None:
            rows.append([name, "", "", "", "", "", str(counts.total())])
            continue
        rows.append(
            [
                name,
                f"{region.traffic_fraction:.0%}",
                gpus([region]),
                ", ".join(machines(region)),
                f"{region.usd_per_hour:,.2f}",
                f"{region.usd_per_hour * HOURS_PER_MONTH:,.0f}",
                str(counts.total()),
            ]
        )
    return _table(rows)


def _services(report: Report) -> list[str]:
    """Regions with the same services share a line."""
    same: dict[str, list[str]] = {}
    for name, _, counts in report.regions:
        told = services(counts)
        same.setdefault(told, []).append(name)
    return [f"{', '.join(names)}: {told}" for told, names in same.items()]


def _losses(plan: EnvironmentPlan) -> list[str]:
    if not plan.losses:
        return [recovery(plan)]
    return [recovery(plan), *_table([LOSS_COLUMNS, *loss_rows(plan)]), *LOSS_NOTES]


def _slow(report: Report) -> list[str]:
    waits = report.rehearsal.waits
    if not waits.types:
        return [no_limits_text(report) or "nothing that a provider waits long for"]
    rows = [["type", "how many", "each at most", "stated by"]]
    rows += [[item.type, str(item.count), f"{item.limit_min:g} min", item.source] for item in waits.types]
    lines = [*_table(rows), chain_text(report), no_limits_text(report), f"sources read {waits.read}"]
    return [line for line in lines if line]


def _policies(report: Report) -> list[str]:
    packs = report.rehearsal.policy_packs
    if not packs:
        return ["the project has no policy pack"]
    not_checked = [pack for pack in packs if pack.state is not PolicyPackState.CHECKED]
    if not report.violations and not not_checked:
        return [f"no violation of {len(packs)} policy pack{'s' if len(packs) > 1 else ''}"]
    return [
        *(
            f"policy pack {pack.path.name} {pack.state.value}: {pack.reason.splitlines()[0]}; "
            "whether the stack violates its policies is unknown"
            for pack in not_checked
        ),
        *_violations(report),
    ]


def _violations(report: Report) -> list[str]:
    return [
        f"{'mandatory' if item.mandatory else 'advisory'} {item.policy}: {item.resources} times, first {item.first}: "
        f"{item.message}"
        for item in report.violations
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: figures to the right, as the first row below the head shows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    figures = [cell[:1].isdigit() and " " not in cell for cell in rows[min(1, len(rows) - 1)]]
    return [
        "  ".join(
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(row, widths, figures, strict=True)
        ).rstrip()
        for row in rows
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
