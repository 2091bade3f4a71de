"""What an environment takes, computed without Pulumi and without a cloud."""

from novacron_infra.plan.environment import HOURS_PER_MONTH, EnvironmentPlan, plan_environment
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.failover import (
    Recovery,
    RegionLoss,
    check_recovery,
    cloud_dns_rto_s,
    estimate_recovery,
    route_53_rto_s,
    traffic_manager_rto_s,
)
from novacron_infra.plan.machines import MachinePlan, Shortfall
from novacron_infra.plan.pools import node_pools
from novacron_infra.plan.profiles import ProfilePlan
from novacron_infra.plan.regions import RegionPlan, WorkerShare, apportion
from novacron_infra.plan.report import describe, values
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica, model_weight_bytes, size_replica

__all__ = [
    "HOURS_PER_MONTH",
    "DoesNotFitError",
    "EnvironmentPlan",
    "MachinePlan",
    "PlanError",
    "ProfilePlan",
    "Recovery",
    "RegionLoss",
    "RegionPlan",
    "ReplicaSize",
    "Shortfall",
    "WorkerShare",
    "Workload",
    "apportion",
    "check_recovery",
    "cloud_dns_rto_s",
    "describe",
    "estimate_recovery",
    "fit_replica",
    "model_weight_bytes",
    "node_pools",
    "plan_environment",
    "route_53_rto_s",
    "size_replica",
    "traffic_manager_rto_s",
    "values",
]
