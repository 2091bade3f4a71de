"""A plan as JSON values, for `novacron plan --json` and other programs."""

from __future__ import annotations

from novacron_infra.plan.capacity import RegionCapacity, plan_capacity
from novacron_infra.plan.cost import MachineCost
from novacron_infra.plan.environment import EnvironmentPlan
from novacron_infra.plan.failover import RegionFailure
from novacron_infra.plan.json_types import (
    CapacityJson,
    MachineJson,
    PlanJson,
    ProfileJson,
    RegionFailureJson,
    RegionJson,
)
from novacron_infra.plan.profiles import ProfilePlan
from novacron_infra.plan.regions import RegionPlan
from novacron_infra.plan.security import list_threat_detectors


def plan_to_json(plan: EnvironmentPlan) -> PlanJson:
    """Return a plan as JSON values. Keys end with their units; a price is null where it is not public."""
    traffic, budget = plan.config.traffic, plan.config.budget
    return {
        "environment": plan.config.environment,
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
        "profiles": [_profile_to_json(item) for item in plan.profiles],
        "regions": [_region_to_json(plan, item) for item in plan.regions],
        "capacity": [_capacity_to_json(item) for item in plan_capacity(plan)],
        "recovery": plan.recovery
        and {
            "service": plan.recovery.service,
            "rto_s": plan.recovery.rto_s,
            "rto_target_s": traffic and traffic.rto_target_s,
            "arithmetic": plan.recovery.arithmetic,
        },
        "region_failures": [_failure_to_json(item) for item in plan.region_failures],
        "threat_detection": {item.platform.value: item.detector.value for item in list_threat_detectors(plan.config)},
        "machines": [_machine_to_json(item) for item in plan.cost.machines],
        "usd_per_hour": round(plan.cost.usd_per_hour, 2),
        "usd_per_month": round(plan.cost.usd_per_month, 2),
        "budget": budget
        and {
            "usd_per_month": budget.usd_per_month,
            "thresholds_percent": list(budget.thresholds_percent),
            "used_fraction": round(plan.cost.usd_per_month / budget.usd_per_month, 4),
        },
        "latency_floors": [
            {
                "profile": name.value,
                "prompt_tokens": found.prompt_tokens,
                "prefix_hit_fraction": found.prefix_hit_fraction,
                "time_to_first_token_s": round(found.first_token_s, 4),
                "inter_token_latency_s": round(found.step_s, 5),
            }
            for name, found in plan.latency_floors.items()
        ],
        "warnings": list(plan.warnings),
        "unpriced": list(plan.cost.not_included),
        "unknown_offers": [{"region": region, "machine": name} for region, name in plan.unknown_offers],
        "shortfalls": [
            {"role": item.role, "what": item.what, "available": item.available, "requested": item.requested}
            for item in plan.shortfalls
        ],
    }


def _profile_to_json(profile: ProfilePlan) -> ProfileJson:
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


def _region_to_json(plan: EnvironmentPlan, region: RegionPlan) -> RegionJson:
    names = [item.name.value for item in plan.profiles]
    cost = plan.cost.find_region(region.name)
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
        "machines": [_machine_to_json(item) for item in cost.machines],
        "usd_per_hour": round(cost.usd_per_hour, 2),
    }


def _capacity_to_json(item: RegionCapacity) -> CapacityJson:
    return {
        "region": item.region,
        "capacity": item.capacity.value,
        "machine": item.machine,
        "zones": list(item.zones),
        "nodes": item.nodes,
        "maximum_nodes": item.maximum_nodes,
        "on_demand_nodes": item.on_demand_nodes,
        "fallback_nodes": item.fallback_nodes,
        "usd_per_hour_each": item.usd_per_hour,
        "spot_usd_per_hour_each": item.spot_price and item.spot_price.usd_per_hour,
        "when_unavailable": item.when_unavailable,
    }


def _machine_to_json(cost: MachineCost) -> MachineJson:
    return {
        "role": cost.machines.role,
        "machine": cost.machines.machine.name,
        "count": cost.machines.count,
        "usd_per_hour": None if cost.usd_per_hour is None else round(cost.usd_per_hour, 2),
        "price_region": cost.price and cost.price.region,
        "price_as_of": None if cost.price is None else str(cost.price.as_of),
    }


def _failure_to_json(failure: RegionFailure) -> RegionFailureJson:
    return {
        "region": failure.region,
        "traffic_fraction": round(failure.traffic_fraction, 4),
        "safe_load_fraction": round(failure.safe_load_fraction, 4),
        "most_loaded_region": failure.most_loaded_region,
        "load_after_fraction": _round_known(failure.load_after_fraction),
        "load_at_maximum_fraction": _round_known(failure.load_at_maximum_fraction),
    }


def _round_known(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
