"""The plan of a cloud environment as text, for `novacron plan`; its tables are also in the report of a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_infra.catalog import Capacity
from novacron_infra.config import Detector, Range, Role
from novacron_infra.plan import (
    HOURS_PER_MONTH,
    EnvironmentPlan,
    RegionCapacity,
    list_threat_detectors,
    plan_capacity,
)
from novacron_infra.shown_values import show_count

from novacron_ops.tables import Table, indent

_PARALLELISM_NOTE = "TP: GPUs that share each layer (tensor parallelism); PP: groups of layers (pipeline parallelism)"
_MACHINE_HEADINGS: dict[Role, str] = {
    "coordinators": "coordinators",
    "workers": "GPU machines",
    "storage": "storage nodes",
}


def describe_plan(plan: EnvironmentPlan) -> list[str]:
    """Return the plan as lines of text."""
    config, workers = plan.config, plan.config.workers
    clouds = " and ".join(dict.fromkeys(region.platform.value for region in plan.regions))
    machines = " and ".join(f"{item.count} × {item.machine.name}" for item in plan.machines if item.role == "workers")
    parts: list[Sequence[str]] = [
        [
            f"{config.environment} on {clouds} serves {config.model.id} with a context of "
            f"{config.model.context_tokens:,} tokens on {config.model.engine.value}",
            f"At the start: {show_count(workers.count, 'worker')} × {show_count(workers.gpus_per_worker, 'GPU')} = "
            f"{plan.gpus} × {plan.gpu.name}, on {machines}; {show_count(plan.unused_gpus, 'GPU')} unused",
            f"Limits: {workers.minimum} to {show_count(workers.maximum, 'worker')}",
        ],
        ["Replicas at the start", *indent([*profile_table(plan).lines(), _PARALLELISM_NOTE])],
        *([f"One replica of profile {item.name.value}", *indent(item.size.arithmetic())] for item in plan.profiles),
        ["Model weights", *indent([*_describe_weights(plan), _describe_loading(plan)])],
        *([["Warnings", *indent(plan.warnings)]] if plan.warnings else []),
        ["Targets (to be measured: a plan does not predict them)", *indent(_list_targets(plan))],
        ["Regions", *indent(region_table(plan).lines())],
        ["Capacity of workers", *indent(_describe_capacity(plan))],
        ["Region failure", *indent(_describe_failures(plan))],
        ["Threat detection", *indent(_describe_threat_detection(plan))],
        ["Cost at on-demand list prices, or as configured", *indent(_describe_cost(plan))],
        ["Not included in the cost", *indent(plan.cost.not_included)],
    ]
    if plan.unknown_offers:
        lines = [f"it is not known whether {region} offers {name}" for region, name in plan.unknown_offers]
        parts.append(["Availability to confirm with the cloud", *indent(lines)])
    if plan.shortfalls:
        parts.append(["Hardware below the request", *indent([str(item) for item in plan.shortfalls])])
    return [line for part in parts for line in ("", *part)][1:]


def profile_table(plan: EnvironmentPlan) -> Table:
    """Return the replicas of each profile."""
    return Table(
        (
            "profile",
            "quantization",
            "weight format",
            "parallelism",
            "GPUs per replica",
            "replicas",
            "minimum replicas",
            "pods",
            "KV cache tokens",
            "concurrent sequences",
        ),
        [
            [
                item.name.value,
                item.quantization.value,
                item.size.weights.name.value,
                item.size.parallelism,
                str(item.size.gpus),
                str(item.replicas),
                str(item.minimum_replicas),
                str(item.pods),
                f"{item.kv_tokens:,}",
                f"{item.replicas * item.size.concurrent_sequences:,}",
            ]
            for item in plan.profiles
        ],
    )


def region_table(plan: EnvironmentPlan) -> Table:
    """Return the traffic, workers, machines, quota and price of each region."""
    roles = [_MACHINE_HEADINGS[role] for role in plan.roles]
    profiles = [f"{item.name.value} replicas" for item in plan.profiles]
    headings = ["region", "traffic", "workers", "min workers", "max workers", *roles, *profiles, "quota to request"]
    rows: list[list[str]] = []
    for region, cost in zip(plan.regions, plan.cost.regions, strict=True):
        share = region.workers
        rows.append(
            [
                region.name,
                f"{region.traffic_fraction:.0%}",
                str(share.count),
                str(share.minimum),
                str(share.maximum),
                *(str(item.count) for item in region.machines),
                *(str(count) for count in region.replicas),
                f"{region.quota:,} {region.quota_unit}",
                f"{cost.usd_per_hour:,.2f}",
                f"{cost.usd_per_month:,.0f}",
            ]
        )
    return Table([*headings, "USD/h", "USD/month"], rows)


def capacity_table(plan: EnvironmentPlan) -> Table:
    """Return how the machines of workers are bought in each region, and what they cost."""
    rows: list[list[str]] = []
    for item in plan_capacity(plan):
        floor = "" if item.on_demand_nodes is None else f" above {item.on_demand_nodes} on demand"
        fallback = f"on demand, up to {item.fallback_nodes}" if item.fallback_nodes else "none"
        rows.append(
            [
                item.region,
                f"{item.capacity.value}{floor}",
                ", ".join(item.zones) or "chosen by Azure",
                str(item.nodes),
                str(item.maximum_nodes),
                fallback,
                _describe_price(item),
            ]
        )
    headings = ("region", "capacity", "zones", "machines at the start", "machines at most", "fallback", "USD/h each")
    return Table(headings, rows)


def _describe_price(item: RegionCapacity) -> str:
    """Return the price of one machine. The catalogue has no prices of flex-start and queued machines."""
    listed = "no public price" if item.usd_per_hour is None else f"{item.usd_per_hour:,.2f}"
    if item.capacity is Capacity.SPOT:
        spot = item.spot_price
        return f"{listed}; spot {f'{spot.usd_per_hour:,.2f} on {spot.as_of}' if spot else 'has no public price'}"
    discounted = item.usd_per_hour is not None and item.capacity in (Capacity.FLEX_START, Capacity.QUEUED)
    return f"{'up to ' if discounted else ''}{listed}"


def failure_table(plan: EnvironmentPlan) -> Table:
    """Return what the failure of each region means for the others."""
    return Table(
        (
            "failed region",
            "traffic",
            "safe load",
            "most loaded region",
            "load before scaling",
            "load at maximum workers",
        ),
        [
            [
                failure.region,
                f"{failure.traffic_fraction:.0%}",
                f"{failure.safe_load_fraction:.0%}",
                failure.most_loaded_region,
                *(
                    "–" if value is None else f"{value:.0%}"
                    for value in (failure.load_after_fraction, failure.load_at_maximum_fraction)
                ),
            ]
            for failure in plan.region_failures
        ],
    )


def failure_notes(plan: EnvironmentPlan) -> list[str]:
    """Return sentences that explain the columns of the table of region failures."""
    notes = ["safe load: the highest load of the environment at which no other region is overloaded after the failure"]
    if plan.config.autoscaling is not None:
        threshold = plan.config.autoscaling.scale_up.utilization_fraction
        notes.append(
            f"load: that of the most loaded region after the failure, if all regions were at the scale-up threshold of "
            f"{threshold:.0%} before it; above 100%, requests wait"
        )
    return notes


def cost_table(plan: EnvironmentPlan) -> Table:
    """Return the list price of the machines of each role."""
    rows: list[list[str]] = []
    for cost in plan.cost.machines:
        price = ["unpriced", "unpriced", "no public price"]
        if cost.price is not None and cost.usd_per_hour is not None:
            each, total = f"{cost.price.usd_per_hour:,.2f}", f"{cost.usd_per_hour:,.2f}"
            price = [each, total, f"{cost.price.region}, {cost.price.as_of}"]
        if cost.usd_per_hour_each is not None and cost.machines.stated_usd_per_hour is not None:
            price = [f"{cost.usd_per_hour_each:,.2f}", f"{cost.usd_per_hour or 0:,.2f}", "as configured"]
        rows.append([cost.machines.role, f"{cost.machines.count} × {cost.machines.machine.name}", *price])
    return Table(("role", "machines", "USD/h each", "USD/h", "price list"), rows)


def describe_recovery(plan: EnvironmentPlan) -> str:
    """Return how long the clients of a failed region need to reach another one."""
    if plan.recovery is None:
        return f"{plan.regions[0].name} is the only region: no region takes over when it fails"
    traffic = plan.config.traffic
    target = f" (target {traffic.rto_target_s} s)" if traffic and traffic.rto_target_s is not None else ""
    return (
        f"{plan.recovery.service}: {plan.recovery.arithmetic} until clients have left the region{target}; the "
        "provider's own propagation delay comes on top and has no stated limit"
    )


def _describe_capacity(plan: EnvironmentPlan) -> list[str]:
    regions: dict[tuple[str, str], list[str]] = {}
    for item in plan_capacity(plan):
        regions.setdefault((item.capacity.value, item.when_unavailable), []).append(item.region)
    everywhere = len(regions) == 1
    notes = [
        f"when {name} machines are not available{'' if everywhere else ' in ' + ', '.join(where)}: {text}"
        for (name, text), where in regions.items()
    ]
    return [*capacity_table(plan).lines(), *notes]


def _describe_failures(plan: EnvironmentPlan) -> list[str]:
    if not plan.region_failures:
        return [describe_recovery(plan)]
    regions = len(plan.regions)
    fraction = f"{regions - 1}/{regions} = {(regions - 1) / regions:.0%}"
    equal = f"with equal traffic in all regions, the safe load would be {fraction}"
    return [describe_recovery(plan), *failure_table(plan).lines(), *failure_notes(plan), equal]


def _describe_threat_detection(plan: EnvironmentPlan) -> list[str]:
    emails = plan.config.threat_alert_emails
    states = {
        Detector.MANAGED: "the stack turns it on",
        Detector.EXISTING: "it is on already, and the stack uses it",
        Detector.NONE: "not used",
    }
    lines = [
        f"{item.platform.value}: {item.service}: {states[item.detector]}" for item in list_threat_detectors(plan.config)
    ]
    return [*lines, f"alerts by email to {', '.join(emails)}"] if emails else lines


def _describe_cost(plan: EnvironmentPlan) -> list[str]:
    hourly, monthly = plan.cost.usd_per_hour, plan.cost.usd_per_month
    total = f"total {hourly:,.2f} USD/h, {monthly:,.0f} USD/month of {HOURS_PER_MONTH} h"
    lines = [*cost_table(plan).lines(), total]
    if plan.config.budget is not None:
        budget = plan.config.budget.usd_per_month
        lines.append(f"{monthly / budget:.0%} of the budget, {budget:,.0f} USD/month")
    return lines


def _describe_weights(plan: EnvironmentPlan) -> list[str]:
    expected = _describe_range(plan.config.targets.weights_in_use_gb)
    lines = [f"minimum replicas of the profiles: {plan.weights_in_use_gb:,.0f} GB; expected: {expected} GB"]
    running = [sum(counts) for counts in zip(*(region.minimum_replicas for region in plan.regions), strict=True)]
    if running[0] > plan.profiles[0].minimum_replicas:
        running_gb = (
            sum(n * item.size.replica_weight_bytes for n, item in zip(running, plan.profiles, strict=True)) / 1e9
        )
        lines.append(
            f"with at least one replica in each region: {show_count(sum(running), 'replica')}, {running_gb:,.0f} GB"
        )
    return lines


def _describe_loading(plan: EnvironmentPlan) -> str:
    serving = plan.config.model
    bucket = f"{serving.store.bucket}/" if serving.store.bucket else ""
    store = f"{serving.store.kind.value} {bucket}{serving.store.prefix}"
    replicas = f"{'' if plan.replicas == 1 else 'all '}{show_count(plan.replicas, 'replica')}"
    return f"read from {store}: {plan.load_gb_per_s:,.1f} GB/s, to load {replicas} within {serving.loader.timeout_s} s"


def _list_targets(plan: EnvironmentPlan) -> list[str]:
    targets = plan.config.targets
    first, between = targets.time_to_first_token_s, targets.inter_token_latency_s
    throughput, quality = targets.throughput_tokens_per_s, targets.quality_fraction
    lines = [
        f"time to first token: P50 {first.p50 * 1000:g} ms, P95 {first.p95 * 1000:g} ms, for prompts of "
        f"{first.prompt_tokens:,} tokens, {first.prefix_hit_fraction:.0%} of them in the prefix cache",
        f"inter-token latency: P50 {between.p50 * 1000:g} ms, P95 {between.p95 * 1000:g} ms",
        f"throughput: {_describe_range(throughput)} tokens/s; quality against FP32: {_describe_range(quality)}",
    ]
    if targets.availability_fraction is not None:
        hours = targets.unavailable_h_per_year
        lines.append(
            f"availability: {targets.availability_fraction:.5g}, which allows {hours:.2f} h of downtime a year"
        )
    for name, found in plan.latency_floors.items():
        lines.append(f"one replica of profile {name.value} without load")
        lines += indent([f"time to first token: {found.describe_first_token()}"])
        lines += indent([f"inter-token latency: {found.describe_step()}"])
    if not plan.latency_floors:
        lines.append(f"the catalogue has no speed of {plan.gpu.name}, so latencies are not compared with it")
    return lines


def _describe_range(bounds: Range) -> str:
    return f"{bounds.minimum:,g} or more" if bounds.maximum is None else f"{bounds.minimum:,g} to {bounds.maximum:,g}"
