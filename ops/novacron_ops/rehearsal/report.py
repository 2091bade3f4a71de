"""A rehearsal joined with the plan of its environment: the figures, tables and sentences that every form shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from novacron_infra.plan import EnvironmentPlan, RegionPlan, count_gpus, plan_to_json
from novacron_infra.shown_values import show_count
from novacron_rehearsal import PolicyPackReport, PolicyPackState, PolicyViolated
from novacron_rehearsal import urn as urns

from novacron_ops.data_losses import describe_losses
from novacron_ops.json_output import RehearsalJson
from novacron_ops.rehearsal.run import Rehearsal
from novacron_ops.tables import Table

_OUTPUT_LINES = 5
"""Lines of a failed policy pack's output in the report."""


@dataclass(frozen=True, slots=True)
class PolicyViolations:
    """The violations of one policy."""

    policy: str
    mandatory: bool
    resources: int
    """The number of resources that violate it."""
    first: str
    """Type and name of the first of them; `the stack` for a policy that checks all resources together."""
    message: str
    """The policy's message about the first of them."""

    @property
    def level(self) -> str:
        """The policy's enforcement level."""
        return "mandatory" if self.mandatory else "advisory"


@dataclass(frozen=True, slots=True)
class Report:
    """A rehearsal and the plan of its environment; without a plan if the stack's configuration has no environment."""

    stack: str
    rehearsal: Rehearsal
    plan: EnvironmentPlan | None

    @property
    def violations(self) -> tuple[PolicyViolations, ...]:
        """The violations by policy, mandatory policies first. A resource counts once for each policy."""
        by_policy: dict[str, list[PolicyViolated]] = {}
        for item in self.rehearsal.violations:
            by_policy.setdefault(item.policy, []).append(item)
        grouped = [
            PolicyViolations(
                policy=policy,
                mandatory=any(item.mandatory for item in items),
                resources=len({item.urn for item in items}),
                first=_describe_resource(items[0].urn),
                message=items[0].message,
            )
            for policy, items in by_policy.items()
        ]
        return tuple(sorted(grouped, key=lambda group: (not group.mandatory, group.policy)))

    @property
    def unchecked_packs(self) -> tuple[PolicyPackReport, ...]:
        """The policy packs that have not checked the whole stack."""
        return tuple(pack for pack in self.rehearsal.policy_packs if pack.state is not PolicyPackState.CHECKED)

    @property
    def regions(self) -> tuple[tuple[str, RegionPlan | None, Counter[str]], ...]:
        """Name, plan and simulated resources by service: the plan's regions in its order, then the others."""
        counts = self.rehearsal.by_region
        planned = {region.name: region for region in self.plan.regions} if self.plan else {}
        others = sorted(counts.keys() - planned.keys())
        return tuple((name, planned.get(name), counts.get(name, Counter())) for name in (*planned, *others))


def _describe_resource(urn: str) -> str:
    return f"{urns.parse(urn).type} {urns.parse(urn).name}" if urn else "the stack"


def report_values(report: Report) -> RehearsalJson:
    """Return the report as JSON values. Keys have their units; `plan` is the output of `novacron plan --json`."""
    run = report.rehearsal
    return {
        "simulated": not run.started_plugins,
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
            "read": run.timeouts.as_of,
            "types": [
                {"type": item.type, "count": item.count, "limit_min": item.limit_min, "source": item.source}
                for item in run.timeouts.types
            ],
            "longest_chain": [
                {"name": link.name, "type": link.type, "limit_min": link.limit_min}
                for link in run.timeouts.longest_chain.links
            ],
            "longest_chain_limit_min": run.timeouts.longest_chain.limit_min,
            "without_limits": list(run.timeouts.unknown_packages),
        },
        "policy_packs": len(run.policy_packs),
        "policies": [
            {"pack": str(pack.path), "state": pack.state.value, "reason": pack.reason} for pack in run.policy_packs
        ],
        "violations": [
            {"policy": item.policy, "mandatory": item.mandatory, "urn": item.urn, "message": item.message}
            for item in run.violations
        ],
        "data_losses": [
            {
                "urn": loss.urn,
                "change": loss.change,
                "what": loss.held.what,
                "loss": loss.held.loss,
                "way_round": loss.held.way_round,
            }
            for loss in run.losses.losses
        ],
        "plan": report.plan and plan_to_json(report.plan),
    }


def describe_outcome(report: Report) -> str:
    """Return a sentence on how the run ended, and one on what it ran."""
    run = report.rehearsal
    created = f"{show_count(run.resources, 'cloud resource')} created"
    ended = created if run.succeeded else f"the deployment failed after {created}"
    ran = (
        f"The real providers of {', '.join(sorted(run.started_plugins))} ran."
        if run.started_plugins
        else "Only simulated providers ran."
    )
    return f"{report.stack} on simulated clouds: {ended}. {ran}"


def loss_notes(report: Report) -> list[str]:
    """Return what the rehearsed change loses, in words; empty if it loses nothing."""
    return describe_losses(report.rehearsal.losses, report.plan.config if report.plan else None, report.stack)


def dynamic_notes(report: Report) -> list[str]:
    """Return a sentence on the dynamic resources of the program, if it has any."""
    number = len(report.rehearsal.simulated_dynamic)
    if not number:
        return []
    return [f"{show_count(number, 'dynamic resource')} simulated: the code of their providers did not run"]


PLANNED_HEADINGS = ("traffic", "GPUs", "machines", "USD/h", "USD/month")
"""Headings of `planned_cells`."""


def planned_cells(plan: EnvironmentPlan, region: RegionPlan | None, *, machine_separator: str) -> list[str]:
    """Return the plan's cells of a region; empty cells for resources that belong to no region."""
    if region is None:
        return [""] * len(PLANNED_HEADINGS)
    cost = plan.cost.find_region(region.name)
    return [
        f"{region.traffic_fraction:.0%}",
        count_gpus([region]),
        machine_separator.join(f"{item.count} × {item.machine.name} {item.role}" for item in region.machines),
        f"{cost.usd_per_hour:,.2f}",
        f"{cost.usd_per_month:,.0f}",
    ]


def list_services(counts: Counter[str]) -> str:
    """Return resources by service, the most numerous first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {service}" for service, number in ordered) or "none"


def timeout_table(report: Report) -> Table:
    """Return the creation timeouts by type."""
    return Table(
        ("type", "count", "timeout", f"source (read {report.rehearsal.timeouts.as_of})"),
        [
            [item.type, str(item.count), f"{item.limit_min:g} min", item.source]
            for item in report.rehearsal.timeouts.types
        ],
    )


def timeout_notes(report: Report) -> list[str]:
    """Return sentences on the longest chain of timeouts, and on packages without known timeouts."""
    timeouts = report.rehearsal.timeouts
    chain, notes = timeouts.longest_chain, list[str]()
    if chain.links:
        links = " → ".join(f"{link.name} {link.limit_min:g}" for link in chain.links)
        notes.append(f"longest chain of dependencies: at most {chain.limit_min:g} min: {links}")
    if timeouts.unknown_packages:
        notes.append(f"no timeouts are known for resources of {', '.join(timeouts.unknown_packages)}")
    return notes or ([] if timeouts.types else ["no resource has a known timeout"])


def policy_notes(report: Report) -> list[str]:
    """Return sentences on the policy packs: which ones did not check the stack, and whether there are no violations."""
    packs = report.rehearsal.policy_packs
    if not packs:
        return ["the project has no policy pack"]
    if report.unchecked_packs:
        return [line for pack in report.unchecked_packs for line in _describe_unchecked(pack)]
    if report.violations:
        return []
    return [f"no violations; {show_count(len(packs), 'policy pack')} checked every resource"]


def _describe_unchecked(pack: PolicyPackReport) -> list[str]:
    """Return why a policy pack did not check the stack, the last lines of its output, and what that means."""
    first, *output = filter(str.strip, pack.reason.splitlines())
    first = f"policy pack {pack.path.name!r} {pack.state.value}: {first}"
    conclusion = "Whether the stack violates its policies is unknown"
    if output:
        return [first, *(f"  {line}" for line in output[-_OUTPUT_LINES:]), conclusion]
    return [f"{first}{'' if first.endswith(('.', '?', '!')) else '.'} {conclusion}"]


def describe_cost_of_run(run: Rehearsal) -> str:
    """Return the time and memory that the rehearsal itself needed."""
    own, child = run.peak_memory.own / 2**20, run.peak_memory.largest_child / 2**20
    return (
        f"The rehearsal took {run.duration_s:.1f} s. Peak memory: {own:,.0f} MiB in this process (engine and simulated "
        f"clouds), {child:,.0f} MiB in its largest child process"
    )
