"""ScaledObjects of KEDA: the scaling policy of a group of workers, as Prometheus queries and a formula.

The formula makes the decision of `plan.scaling.decide_replicas`, and a test compares the two. Its result is the number
of replicas itself: the target is 1, of the type AverageValue. The time of `scale_up` is in a query, so that an
emergency does not wait for it. The time of `scale_down` is the autoscaler's window, in which it takes the highest
number.

Without one of the metrics KEDA keeps the present number of replicas, or the number at the start if that is higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.sections.autoscaling import Day
from novacron_infra.plan.scaling import AUTOSCALER_TOLERANCE, ScalingPolicy, ScheduledScaling
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.custom_resources import CustomKind, declare_custom_resource
from novacron_infra.workloads.names import COORDINATORS, NAMESPACE
from novacron_infra.workloads.pods import label_object

SCALED_OBJECT = CustomKind(api_version="keda.sh/v1alpha1", kind="ScaledObject")
_POLLING_S = 15
_FAILURES_BEFORE_FALLBACK = 3
_CRON_DAYS = {day: number % 7 for number, day in enumerate(Day, 1)}


class Workload(str, Enum):
    """The kind of a group of workers."""

    STATEFUL_SET = "StatefulSet"
    LEADER_WORKER_SET = "LeaderWorkerSet"

    @property
    def api_version(self) -> str:
        """The kind's API version."""
        return "apps/v1" if self is Workload.STATEFUL_SET else "leaderworkerset.x-k8s.io/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledGroup:
    """A group of workers whose number of replicas changes."""

    name: str
    """Name of its StatefulSet or LeaderWorkerSet."""
    namespace: str
    workload: Workload
    replicas: int
    """At the start."""
    policy: ScalingPolicy
    prometheus_url: str
    """Base URL of Prometheus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetReference:
    """The object whose replicas change."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """A source of a number for the formula."""

    type: str
    name: str
    metadata: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RatePolicy:
    """The most pods that change within a time."""

    type: str = "Pods"
    value: int
    period_seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How the autoscaler moves in one direction."""

    stabilization_window_seconds: int
    policies: tuple[RatePolicy, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Behavior:
    """How the autoscaler moves."""

    scale_up: Rules
    scale_down: Rules


@dataclass(frozen=True, kw_only=True, slots=True)
class HorizontalPodAutoscalerConfig:
    """Settings of the HorizontalPodAutoscaler that KEDA creates."""

    behavior: Behavior


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingModifiers:
    """The formula over the triggers."""

    formula: str
    target: str = "1"
    metric_type: str = "AverageValue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Advanced:
    """Formula and behavior."""

    scaling_modifiers: ScalingModifiers
    horizontal_pod_autoscaler_config: HorizontalPodAutoscalerConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Fallback:
    """The number of replicas when a trigger fails repeatedly."""

    failure_threshold: int = _FAILURES_BEFORE_FALLBACK
    replicas: int
    behavior: str = "currentReplicasIfHigher"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledObjectSpec:
    """The specification of a ScaledObject."""

    scale_target_ref: TargetReference
    min_replica_count: int
    max_replica_count: int
    polling_interval: int = _POLLING_S
    fallback: Fallback
    advanced: Advanced
    triggers: tuple[Trigger, ...]


def declare_scaled_object(
    resource: str, group: ScaledGroup, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare the ScaledObject of a group of workers. KEDA and its definitions must be in the cluster.

    Args:
        resource: name of the Pulumi resource.
        group: the workers. Pulumi has to ignore changes of their replicas: the autoscaler owns them.
        opts: Pulumi's options.
    """
    return declare_custom_resource(
        resource,
        SCALED_OBJECT,
        label_object(group.name, group.namespace, group.name),
        describe_scaled_object(group),
        opts,
    )


def describe_scaled_object(group: ScaledGroup) -> ScaledObjectSpec:
    """Return the specification of the ScaledObject of a group of workers."""
    policy = group.policy
    emergency, down = policy.emergency_limit, policy.scale_down_limit
    return ScaledObjectSpec(
        scale_target_ref=TargetReference(
            api_version=group.workload.api_version, kind=group.workload.value, name=group.name
        ),
        min_replica_count=policy.minimum_replicas,
        max_replica_count=policy.maximum_replicas,
        fallback=Fallback(replicas=max(group.replicas, policy.minimum_replicas)),
        advanced=Advanced(
            scaling_modifiers=ScalingModifiers(formula=write_formula(policy)),
            horizontal_pod_autoscaler_config=HorizontalPodAutoscalerConfig(
                behavior=Behavior(
                    scale_up=Rules(
                        stabilization_window_seconds=0,
                        policies=(RatePolicy(value=emergency.replicas, period_seconds=emergency.per_s),),
                    ),
                    scale_down=Rules(
                        stabilization_window_seconds=policy.scale_down.for_s,
                        policies=(RatePolicy(value=down.replicas, period_seconds=down.per_s),),
                    ),
                )
            ),
        ),
        triggers=(
            *(
                Trigger(
                    type="prometheus",
                    name=name,
                    metadata={
                        "serverAddress": group.prometheus_url,
                        "query": query,
                        "threshold": "1",
                        # Without it a missing metric would be 0, and the workers would be removed.
                        "ignoreNullValues": "false",
                    },
                )
                for name, query in write_queries(group).items()
            ),
            *(_write_schedule(schedule) for schedule in policy.schedules),
        ),
    )


def write_queries(group: ScaledGroup) -> dict[str, str]:
    """Return the Prometheus query of each variable of the formula, by name."""
    policy = group.policy
    pods = f'namespace="{group.namespace}",pod=~"{group.name}-[0-9]+(-[0-9]+)?"'
    coordinators = f'namespace="{NAMESPACE}",pod=~"{COORDINATORS}-.*"'
    requests = " + ".join(
        (
            f"sum({contract.REQUESTS_RUNNING}{{{pods}}})",
            f"sum({contract.REQUESTS_WAITING}{{{pods}}})",
            # Coordinators queue what no worker has a slot for.
            f"sum({contract.REQUESTS_WAITING}{{{coordinators}}})",
        )
    )
    by_requests = f"({requests}) / {policy.requests_per_replica}"
    by_cache = f"sum({contract.KV_CACHE_UTILIZATION}{{{pods}}}) / {policy.kv_cache_full_fraction:g}"
    # The higher one; nothing if one of them is missing.
    load = f"({by_requests} > {by_cache}) or ({by_cache} and {by_requests})"
    # A LeaderWorkerSet keeps its leaders in a StatefulSet of the same name.
    owner = f'namespace="{group.namespace}",statefulset="{group.name}"'
    replicas = f"sum(kube_statefulset_replicas{{{owner}}})"
    ready = f"sum(kube_statefulset_status_replicas_ready{{{owner}}})"
    up, limit = policy.scale_up, policy.scale_up_limit
    return {
        "load": load,
        "sustained": f"min_over_time(({load})[{up.for_s}s:{_POLLING_S}s])",
        "replicas": replicas,
        "starting": f"clamp_min({replicas} - {ready}, 0)",
        "earlier": f"min_over_time(({replicas})[{limit.per_s}s:{_POLLING_S}s])",
        "quality": f"min({contract.QUALITY_SCORE}) or vector(1)",
    }


def write_formula(policy: ScalingPolicy) -> str:
    """Return the formula, in KEDA's expression language. Every number has a decimal point: the result has to be one."""
    up = _number(policy.scale_up.utilization_fraction)
    for schedule in policy.schedules:
        if schedule.utilization_fraction is not None:
            up = f"({_name(schedule)} > 1.0 ? {_number(schedule.utilization_fraction)} : {up})"
    minimums = "".join(f", {_name(schedule)} - 1.0" for schedule in policy.schedules if schedule.minimum_replicas > 1)
    target, down = _number(policy.target_utilization_fraction), _number(policy.scale_down.utilization_fraction)
    tolerance = _number(1 + AUTOSCALER_TOLERANCE)
    lines = (
        f"let urgent = load > {_number(policy.emergency_utilization_fraction)} * replicas",
        "let needed = max(sustained, urgent ? load : 0.0)",
        f"let wanted = max(ceil(needed / {target}) - starting, replicas)",
        f"let limited = max(min(wanted, earlier + {_number(policy.scale_up_limit.replicas)}), replicas)",
        f"let more = needed > {up} * replicas",
        f"let fewer = load < {down} * replicas && quality >= {_number(policy.quality_floor_fraction)}",
        f"let changed = more ? (urgent ? wanted : limited) : (fewer ? ceil(load / {target}) : replicas)",
        f"let floored = max(changed, 1.0{minimums})",
        f"floored > replicas ? max(floored, replicas * {tolerance} + 0.01) : floored",
    )
    return "; ".join(lines)


def _write_schedule(schedule: ScheduledScaling) -> Trigger:
    """Return the trigger of a schedule. It is at most 1 outside of it, and one more than its minimum within.

    Outside, KEDA 2.21 gives 0 and earlier versions give 1.
    """
    days = ",".join(str(number) for number in sorted(_CRON_DAYS[day] for day in schedule.days))
    start_hour, start_minute = (int(part) for part in schedule.start.split(":"))
    end_hour, end_minute = (int(part) for part in schedule.end.split(":"))
    return Trigger(
        type="cron",
        name=_name(schedule),
        metadata={
            "timezone": schedule.time_zone,
            "start": f"{start_minute} {start_hour} * * {days}",
            "end": f"{end_minute} {end_hour} * * {days}",
            "desiredReplicas": str(schedule.minimum_replicas + 1),
        },
    )


def _name(schedule: ScheduledScaling) -> str:
    """Return the variable of a schedule. No other variable begins like it."""
    return f"at_{schedule.name}"


def _number(value: float) -> str:
    text = f"{value:g}"
    return text if "." in text else f"{text}.0"
