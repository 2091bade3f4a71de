"""The configuration of an environment: its types, its rules, and how it is read from a stack file.

`novacron_infra.plan` computes the machines, replicas and cost of an environment.
"""

from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.kubernetes import (
    AccessKind,
    ApiAccess,
    ApiGateway,
    CoordinatorPods,
    KubernetesCluster,
    KubernetesEnvironment,
    ServedModel,
    ServingImages,
    WorkerPods,
)
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.local import CoordinatorConfig, LocalEnvironment, ModelConfig, WorkersConfig
from novacron_infra.config.reading import load_stack
from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.add_ons import AddOn, AddOns
from novacron_infra.config.sections.alarms import Alarms
from novacron_infra.config.sections.autoscaling import Autoscaling, Emergency, RateLimit, Schedule, Trigger
from novacron_infra.config.sections.budget import Budget
from novacron_infra.config.sections.caches import Caches
from novacron_infra.config.sections.clusters import Clusters
from novacron_infra.config.sections.contacts import Contacts
from novacron_infra.config.sections.coordinators import CoordinatorMode, Coordinators
from novacron_infra.config.sections.data import Data
from novacron_infra.config.sections.existing import (
    Existing,
    ExistingAws,
    ExistingAwsBucket,
    ExistingAwsNetwork,
    ExistingAzure,
    ExistingAzureNetwork,
    ExistingGoogle,
    ExistingGoogleNetwork,
)
from novacron_infra.config.sections.existing_databases import (
    ExistingAwsPostgres,
    ExistingAwsRedis,
    ExistingAzurePostgres,
    ExistingAzureRedis,
    ExistingGooglePostgres,
)
from novacron_infra.config.sections.hardware import Hardware, Resources, Role
from novacron_infra.config.sections.images import Image, Images
from novacron_infra.config.sections.model import Loader, ModelServing, Profile, ProfileName
from novacron_infra.config.sections.model_store import OWN_STORE, ModelStore, StoreKind
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.platform import EnvironmentKind, Platform
from novacron_infra.config.sections.regions import Region, RegionOverrides, TrafficRegion
from novacron_infra.config.sections.security import (
    Audit,
    DatabaseStatements,
    Detector,
    Security,
    Severity,
    ThreatDetection,
)
from novacron_infra.config.sections.serving import Device, PyTorchQuantization, ResponseCache, Routing
from novacron_infra.config.sections.storage import StorageNodes
from novacron_infra.config.sections.targets import FirstTokenTarget, Percentiles, Range, ServingTargets, Targets
from novacron_infra.config.sections.traffic import HealthCheck, Traffic
from novacron_infra.config.sections.workers import WorkerCounts, Workers

__all__ = [
    "OWN_STORE",
    "AccessKind",
    "Accounts",
    "AddOn",
    "AddOns",
    "Alarms",
    "ApiAccess",
    "ApiGateway",
    "Audit",
    "Autoscaling",
    "Budget",
    "Caches",
    "CloudEnvironment",
    "Clusters",
    "Contacts",
    "CoordinatorConfig",
    "CoordinatorMode",
    "CoordinatorPods",
    "Coordinators",
    "Data",
    "DatabaseStatements",
    "Detector",
    "Device",
    "Emergency",
    "EnvironmentConfig",
    "EnvironmentKind",
    "EnvironmentSecrets",
    "Existing",
    "ExistingAws",
    "ExistingAwsBucket",
    "ExistingAwsNetwork",
    "ExistingAwsPostgres",
    "ExistingAwsRedis",
    "ExistingAzure",
    "ExistingAzureNetwork",
    "ExistingAzurePostgres",
    "ExistingAzureRedis",
    "ExistingGoogle",
    "ExistingGoogleNetwork",
    "ExistingGooglePostgres",
    "FirstTokenTarget",
    "Hardware",
    "HealthCheck",
    "Image",
    "Images",
    "KubernetesCluster",
    "KubernetesEnvironment",
    "Loader",
    "LocalEnvironment",
    "ModelConfig",
    "ModelServing",
    "ModelStore",
    "Monitoring",
    "Percentiles",
    "Platform",
    "Profile",
    "ProfileName",
    "PyTorchQuantization",
    "Range",
    "RateLimit",
    "Region",
    "RegionOverrides",
    "Resources",
    "ResponseCache",
    "Role",
    "Routing",
    "Schedule",
    "Security",
    "ServedModel",
    "ServingImages",
    "ServingTargets",
    "Severity",
    "StorageNodes",
    "StoreKind",
    "Targets",
    "ThreatDetection",
    "Traffic",
    "TrafficRegion",
    "Trigger",
    "WorkerCounts",
    "WorkerPods",
    "Workers",
    "WorkersConfig",
    "load",
    "load_stack",
]
