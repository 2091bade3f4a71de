"""What an environment takes, computed without Pulumi and without a cloud."""

from novacron_infra.plan.environment import (
    EnvironmentPlan,
    MachinePlan,
    ProfilePlan,
    Shortfall,
    plan_environment,
)
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.failover import cloud_dns_rto_s, route_53_rto_s, traffic_manager_rto_s
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica, model_weight_bytes, size_replica

__all__ = [
    "DoesNotFitError",
    "EnvironmentPlan",
    "MachinePlan",
    "PlanError",
    "ProfilePlan",
    "ReplicaSize",
    "Shortfall",
    "Workload",
    "cloud_dns_rto_s",
    "fit_replica",
    "model_weight_bytes",
    "plan_environment",
    "route_53_rto_s",
    "size_replica",
    "traffic_manager_rto_s",
]
