"""A plan as text for people and as plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from novacron_infra.catalog import Price
from novacron_infra.config import Range
from novacron_infra.plan.environment import HOURS_PER_MONTH, EnvironmentPlan
from novacron_infra.plan.failover import RegionLoss
from novacron_infra.plan.machines import MachinePlan
from novacron_infra.plan.profiles import ProfilePlan
from novacron_infra.plan.regions import RegionPlan


def describe(plan: EnvironmentPlan) -> list[str]:
    """The plan as text lines."""
    config, workers = plan.config, plan.config.workers
    clouds = " and ".join(dict.fromkeys(region.platform.value for region in plan.regions))
    machines = ", ".join(f"{item.count} × {item.machine.name}" for item in plan.machines if item.role == "workers")
    parts = [
        [
            f"{config.environment.value} on {clouds}: {config.model.id}, "
            f"{config.model.context_tokens:,} tokens of context, {config.model.engine.value}",
            f"{workers.count} workers × {workers.gpus_per_worker} = {plan.gpus} × {plan.gpu.name} = "
            f"{machines}; {plan.unused_gpus} GPUs unused; {workers.minimum} to {workers.maximum} workers",
        ],
        ["Replicas", *_indented(_profile_table(plan))],
        *([f"{item.name.value}: one replica", *_indented(item.size.arithmetic())] for item in plan.profiles),
        [_weights(plan), _loading(plan)],
        *([["Model store", *_indented(plan.store_warnings)]] if plan.store_warnings else []),
        ["Targets, which no plan can prove: measure them", *_indented(_targets(plan))],
        ["Regions", *_indented(_region_table(plan))],
        ["When a region dies", *_indented(_failover(plan))],
        ["Cost, on demand", *_indented(_cost(plan))],
        ["Not priced", *_indented(plan.unpriced)],
    ]
    if plan.unknown_offers:
        lines = [f"not known whether {region} has {name}" for region, name in plan.unknown_offers]
        parts.append(["Ask the cloud first", *_indented(lines)])
    if plan.shortfalls:
        parts.append(["Less than wished", *_indented([str(item) for item in plan.shortfalls])])
    return [line for part in parts for line in ("", *part)][1:]


def values(plan: EnvironmentPlan) -> dict[str, Any]:
    """The plan as JSON values. Keys have their units; a `null` price is one that is not public."""
    return {
        "environment": plan.config.environment.value,
        "platform": plan.config.platform.value,
        "model": plan.config.model.id,
        "gpu": plan.gpu.name,
        "gpus": plan.gpus,
        "nodes": plan.nodes,
        "replicas": plan.replicas,
        "pods": plan.pods,
        "kv_tokens": plan.kv_tokens,
        "unused_gpus": plan.unused_gpus,
        "weights_in_use_gb": round(plan.weights_in_use_gb, 1),
        "load_gb_per_s": round(plan.load_gb_per_s, 2),
        "profiles": [_profile_values(item) for item in plan.profiles],
        "regions": [_region_values(plan, item) for item in plan.regions],
        "recovery": plan.recovery
        and {
            "service": plan.recovery.service,
            "rto_s": plan.recovery.rto_s,
            "rto_target_s": plan.config.traffic and plan.config.traffic.rto_target_s,
            "arithmetic": plan.recovery.arithmetic,
        },
        "losses": [_loss_values(item) for item in plan.losses],
        "machines": [_machine_values(item) for item in plan.machines],
        "usd_per_hour": round(plan.usd_per_hour, 2),
        "usd_per_month": round(plan.usd_per_hour * HOURS_PER_MONTH, 2),
        "store_warnings": list(plan.store_warnings),
        "unpriced": list(plan.unpriced),
        "unknown_offers": [{"region": region, "machine": name} for region, name in plan.unknown_offers],
        "shortfalls": [
            {"role": item.role, "what": item.what, "had": item.had, "wished": item.wished} for item in plan.shortfalls
        ],
    }


def _profile_values(profile: ProfilePlan) -> dict[str, Any]:
    size = profile.size
    return {
        "name": profile.name.value,
        "quantization": profile.quantization.value,
        "weight_format": size.weights.name.value,
        "kv_cache": size.kv_cache.value,
        "tensor_parallel": size.tensor_parallel,
        "pipeline_parallel": size.pipeline_parallel,
        "minimum_replicas": profile.minimum_replicas,
        "replicas": profile.replicas,
        "pods": profile.pods,
        "weights_gib_per_gpu": round(size.weights_gib, 2),
        "kv_gib_per_gpu": round(size.kv_gib, 2),
        "kv_tokens_per_replica": size.kv_tokens,
        "concurrent_sequences_per_replica": size.concurrent_sequences,
        "replica_weight_gb": round(size.replica_weight_bytes / 1e9, 1),
    }


def _region_values(plan: EnvironmentPlan, region: RegionPlan) -> dict[str, Any]:
    names = [item.name.value for item in plan.profiles]
    return {
        "name": region.name,
        "platform": region.platform.value,
        "traffic_fraction": round(region.traffic_fraction, 4),
        "workers": {
            "count": region.workers.count,
            "minimum": region.workers.minimum,
            "maximum": region.workers.maximum,
        },
        "gpus": region.gpus,
        "nodes": region.nodes,
        "maximum_nodes": region.maximum_nodes,
        "quota": {"amount": region.quota, "unit": region.quota_unit},
        "replicas": dict(zip(names, region.replicas, strict=True)),
        "minimum_replicas": dict(zip(names, region.minimum_replicas, strict=True)),
        "machines": [_machine_values(item) for item in region.machines],
        "usd_per_hour": round(region.usd_per_hour, 2),
    }


def _machine_values(item: MachinePlan) -> dict[str, Any]:
    price = item.machine.price
    return {
        "role": item.role,
        "machine": item.machine.name,
        "count": item.count,
        "usd_per_hour": None if item.usd_per_hour is None else round(item.usd_per_hour, 2),
        "price_region": price.region if isinstance(price, Price) else None,
        "price_as_of": str(price.as_of) if isinstance(price, Price) else None,
    }


def _loss_values(loss: RegionLoss) -> dict[str, Any]:
    return {
        "region": loss.region,
        "traffic_fraction": round(loss.traffic_fraction, 4),
        "safe_load_fraction": round(loss.safe_load_fraction, 4),
        "fullest_region": loss.fullest_region,
        "load_after_fraction": _rounded(loss.load_after_fraction),
        "load_at_maximum_fraction": _rounded(loss.load_at_maximum_fraction),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _profile_table(plan: EnvironmentPlan) -> list[str]:
    rows = [["profile", "quantization", "shape", "GPUs", "replicas", "at least", "pods", "KV tokens", "sequences"]]
    for item in plan.profiles:
        size = item.size
        rows.append(
            [
                item.name.value,
                f"{item.quantization.value} = {size.weights.name.value}",
                f"TP{size.tensor_parallel} × PP{size.pipeline_parallel}",
                str(size.gpus),
                str(item.replicas),
                str(item.minimum_replicas),
                str(item.pods),
                f"{item.kv_tokens:,}",
                f"{item.replicas * size.concurrent_sequences:,}",
            ]
        )
    return _table(rows)


def _weights(plan: EnvironmentPlan) -> str:
    bound = plan.config.targets.weights_in_use_gb
    text = f"Weights of the minimum replicas: {plan.weights_in_use_gb:,.0f} GB; expected {_range(bound)} GB"
    kept = [sum(counts) for counts in zip(*(region.minimum_replicas for region in plan.regions), strict=True)]
    if kept[0] > plan.profiles[0].minimum_replicas:
        kept_gb = sum(n * item.size.replica_weight_bytes for n, item in zip(kept, plan.profiles, strict=True)) / 1e9
        text += f"; with one in each region {sum(kept)} replicas, {kept_gb:,.0f} GB"
    return text


def _loading(plan: EnvironmentPlan) -> str:
    serving = plan.config.model
    below = f"{serving.store.bucket}/" if serving.store.bucket else ""
    store = f"{serving.store.kind.value} {below}{serving.store.prefix}"
    rate = f"{plan.load_gb_per_s:,.1f} GB/s"
    return f"Loading all {plan.replicas} replicas within {serving.loader.timeout_s} s takes {rate} from {store}"


def _targets(plan: EnvironmentPlan) -> list[str]:
    targets = plan.config.targets
    first, between = targets.time_to_first_token_s, targets.inter_token_latency_s
    throughput, quality = targets.throughput_tokens_per_s, targets.quality_fraction
    lines = [
        f"time to first token: P50 {first.p50 * 1000:g} ms, P95 {first.p95 * 1000:g} ms",
        f"inter-token latency: P50 {between.p50 * 1000:g} ms, P95 {between.p95 * 1000:g} ms",
        f"throughput: {_range(throughput)} tokens/s; quality against FP32: {_range(quality)}",
    ]
    if targets.availability_fraction is not None:
        hours = targets.unavailable_h_per_year
        lines.append(f"availability: {targets.availability_fraction:.5g}, {hours:.2f} h a year may be lost")
    return lines


def _range(bounds: Range) -> str:
    return f"{bounds.minimum:g} or more" if bounds.maximum is None else f"{bounds.minimum:g} to {bounds.maximum:g}"


def _region_table(plan: EnvironmentPlan) -> list[str]:
    roles = ["GPU machines" if role == "workers" else role for role in plan.roles]
    names = [item.name.value for item in plan.profiles]
    rows = [["region", "traffic", "workers", "from", "to", *roles, *names, "quota to ask for", "USD/h", "USD/month"]]
    for region in plan.regions:
        share, hourly = region.workers, region.usd_per_hour
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
                f"{hourly:,.2f}",
                f"{hourly * HOURS_PER_MONTH:,.0f}",
            ]
        )
    return _table(rows)


def _failover(plan: EnvironmentPlan) -> list[str]:
    if plan.recovery is None or plan.config.traffic is None:
        return [f"nothing takes over: {plan.regions[0].name} is the only region"]
    target = plan.config.traffic.rto_target_s
    wished = "" if target is None else f" (target {target} s)"
    equal = (len(plan.regions) - 1) / len(plan.regions)
    scaling = plan.config.autoscaling
    after = f"from {scaling.scale_up.utilization_fraction:.0%}" if scaling else "after"
    rows = [["region", "its traffic", "safe load", "fullest then", after, "at maximum workers"]]
    for loss in plan.losses:
        known = (loss.load_after_fraction, loss.load_at_maximum_fraction)
        rows.append(
            [
                loss.region,
                f"{loss.traffic_fraction:.0%}",
                f"{loss.safe_load_fraction:.0%}",
                loss.fullest_region,
                *("–" if value is None else f"{value:.0%}" for value in known),
            ]
        )
    lines = [
        f"{plan.recovery.service}: {plan.recovery.arithmetic} until clients have left it{wished}; the provider's own "
        "publication comes on top and is not bounded",
        *_table(rows),
        "its traffic: goes to the others in proportion to their weights",
        f"safe load: the highest before, with which no survivor gets more than it can serve; with equal shares it "
        f"would be {len(plan.regions) - 1}/{len(plan.regions)} = {equal:.0%}",
    ]
    if scaling:
        lines.append(f"{after}: load of the fullest survivor when all were at the scale-up threshold; above 100% waits")
    return lines


def _cost(plan: EnvironmentPlan) -> list[str]:
    rows = [["role", "machines", "USD/h each", "USD/h", "list price of"]]
    for item in plan.machines:
        price = item.machine.price
        known = (
            [f"{price.usd_per_hour:,.2f}", f"{item.usd_per_hour:,.2f}", f"{price.region}, {price.as_of}"]
            if isinstance(price, Price)
            else ["unpriced", "unpriced", "no public price"]
        )
        rows.append([item.role, f"{item.count} × {item.machine.name}", *known])
    hourly, monthly = plan.usd_per_hour, plan.usd_per_hour * HOURS_PER_MONTH
    return [*_table(rows), f"together {hourly:,.2f} USD/h, {monthly:,.0f} USD/month of {HOURS_PER_MONTH} h"]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns; the first to the left, figures to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.rjust(width) if _is_figure(rows[-1][index]) else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _is_figure(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").rstrip("%").isdigit()


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
