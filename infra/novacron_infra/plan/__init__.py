"""The plan of a cloud environment, computed in milliseconds without Pulumi and without a cloud."""

from novacron_infra.plan.capacity import RegionCapacity, plan_capacity
from novacron_infra.plan.cost import HOURS_PER_MONTH, EnvironmentCost, MachineCost, RegionCost
from novacron_infra.plan.environment import EnvironmentPlan, plan_environment
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.failover import (
    Recovery,
    RegionFailure,
    calculate_cloud_dns_rto_s,
    calculate_route_53_rto_s,
    calculate_traffic_manager_rto_s,
    check_recovery,
    estimate_recovery,
)
from novacron_infra.plan.json_values import plan_to_json
from novacron_infra.plan.machines import MachinePlan, Shortfall
from novacron_infra.plan.own_workers import plan_own_environment
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.plan.profiles import ProfilePlan
from novacron_infra.plan.regions import RegionPlan, WorkerShare, apportion
from novacron_infra.plan.security import ThreatDetector, list_threat_detectors
from novacron_infra.plan.sizing import ReplicaSize, Workload, calculate_weight_bytes, fit_replica, size_replica
from novacron_infra.plan.summary import count_gpus, summarize_plan

__all__ = [
    "HOURS_PER_MONTH",
    "DoesNotFitError",
    "EnvironmentCost",
    "EnvironmentPlan",
    "MachineCost",
    "MachinePlan",
    "PlanError",
    "ProfilePlan",
    "Recovery",
    "RegionCapacity",
    "RegionCost",
    "RegionFailure",
    "RegionPlan",
    "ReplicaSize",
    "Shortfall",
    "ThreatDetector",
    "WorkerShare",
    "Workload",
    "apportion",
    "calculate_cloud_dns_rto_s",
    "calculate_route_53_rto_s",
    "calculate_traffic_manager_rto_s",
    "calculate_weight_bytes",
    "check_recovery",
    "count_gpus",
    "estimate_recovery",
    "fit_replica",
    "list_threat_detectors",
    "plan_capacity",
    "plan_environment",
    "plan_node_pools",
    "plan_own_environment",
    "plan_to_json",
    "size_replica",
    "summarize_plan",
]
