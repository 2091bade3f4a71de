"""NovaCron infrastructure: one typed configuration of an environment becomes Pulumi components.

Import what describes, plans and builds environments from this package, and components from `novacron_infra.aws`,
`novacron_infra.gcp`, `novacron_infra.azure`, `novacron_infra.dns` and `novacron_infra.workloads`. Other modules may
change without notice.

A name loads its module when it is first used, so importing this package is quick and never loads the SDK of a cloud.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novacron_infra.catalog import EngineKind, FabricKind, KvCacheType, Quantization
    from novacron_infra.config import (
        AccessKind,
        Accounts,
        Alarms,
        ApiAccess,
        ApiGateway,
        Autoscaling,
        Caches,
        CloudEnvironment,
        Clusters,
        CoordinatorMode,
        CoordinatorPods,
        Coordinators,
        Data,
        Device,
        EnvironmentConfig,
        EnvironmentKind,
        EnvironmentSecrets,
        FirstTokenTarget,
        Hardware,
        HealthCheck,
        Image,
        Images,
        KubernetesCluster,
        KubernetesEnvironment,
        Loader,
        LocalEnvironment,
        ModelServing,
        ModelStore,
        Monitoring,
        Percentiles,
        Platform,
        Profile,
        ProfileName,
        PyTorchQuantization,
        Range,
        Region,
        RegionOverrides,
        Resources,
        ResponseCache,
        Routing,
        ServedModel,
        ServingImages,
        StorageNodes,
        StoreKind,
        Targets,
        Traffic,
        TrafficRegion,
        Trigger,
        WorkerCounts,
        WorkerPods,
        Workers,
        load,
        load_stack,
    )
    from novacron_infra.environment import build
    from novacron_infra.errors import ArgumentError, ConfigurationError, NovaCronError, Problem
    from novacron_infra.outputs import EnvironmentOutputs
    from novacron_infra.plan import EnvironmentPlan, PlanError, plan_environment, plan_to_json
    from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
    from novacron_infra.tags import Tags

__all__ = [
    "AccessKind",
    "Accounts",
    "Alarms",
    "ApiAccess",
    "ApiGateway",
    "ArgumentError",
    "Autoscaling",
    "Caches",
    "Capacity",
    "CloudEnvironment",
    "Clusters",
    "ConfigurationError",
    "CoordinatorMode",
    "CoordinatorPods",
    "Coordinators",
    "Data",
    "Device",
    "EngineKind",
    "EnvironmentConfig",
    "EnvironmentKind",
    "EnvironmentOutputs",
    "EnvironmentPlan",
    "EnvironmentSecrets",
    "FabricKind",
    "FirstTokenTarget",
    "Hardware",
    "HealthCheck",
    "Image",
    "Images",
    "KubernetesCluster",
    "KubernetesEnvironment",
    "KvCacheType",
    "Loader",
    "LocalEnvironment",
    "ModelServing",
    "ModelStore",
    "Monitoring",
    "NodePoolShape",
    "NodeRole",
    "NovaCronError",
    "Percentiles",
    "Placement",
    "PlanError",
    "Platform",
    "Problem",
    "Profile",
    "ProfileName",
    "PyTorchQuantization",
    "Quantization",
    "Range",
    "Region",
    "RegionOverrides",
    "Resources",
    "ResponseCache",
    "Routing",
    "ServedModel",
    "ServingImages",
    "StorageNodes",
    "StoreKind",
    "Tags",
    "Targets",
    "Traffic",
    "TrafficRegion",
    "Trigger",
    "WorkerCounts",
    "WorkerPods",
    "Workers",
    "build",
    "load",
    "load_stack",
    "plan_environment",
    "plan_to_json",
]

_HOMES = ("errors", "tags", "catalog", "pools", "config", "outputs", "plan", "environment")
"""The modules of the exported names, those that load fastest first."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
