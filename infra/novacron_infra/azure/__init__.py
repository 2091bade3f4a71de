"""Azure as components, and put together as a region (`region`). Importing it loads Azure's SDK and no other."""

from novacron_infra.azure.cluster import AksCluster, AksClusterArgs, AksClusterResources
from novacron_infra.azure.databases import AzurePostgres, AzurePostgresArgs, AzureRedis, AzureRedisArgs
from novacron_infra.azure.identity import AksPodIdentity, AksPodIdentityArgs
from novacron_infra.azure.ingress import AzureIngress, AzureIngressArgs
from novacron_infra.azure.keys import AzureKeys, AzureKeysArgs, AzureKeysResources, CustomerKey, KeyUse
from novacron_infra.azure.logs import AzureLogs, AzureLogsArgs
from novacron_infra.azure.maintenance import MaintenanceWindow
from novacron_infra.azure.network import AzureNetwork, AzureNetworkArgs, AzureNetworkResources, SubnetUse
from novacron_infra.azure.node_pool import (
    AksNodePool,
    AksNodePoolArgs,
    AksNodePoolResources,
    DiskPlace,
    GpuStack,
    OsSku,
)
from novacron_infra.azure.private_link import PrivateService
from novacron_infra.azure.registry import AzureRegistry, AzureRegistryArgs
from novacron_infra.azure.replication import AzureModelReplication, AzureModelReplicationArgs, ReplicaArgs
from novacron_infra.azure.storage import (
    AzureFiles,
    AzureFilesArgs,
    AzureLustre,
    AzureLustreArgs,
    AzureModelStore,
    AzureModelStoreArgs,
)
from novacron_infra.azure.threat_detection import AzureThreatDetection, AzureThreatDetectionArgs

__all__ = [
    "AksCluster",
    "AksClusterArgs",
    "AksClusterResources",
    "AksNodePool",
    "AksNodePoolArgs",
    "AksNodePoolResources",
    "AksPodIdentity",
    "AksPodIdentityArgs",
    "AzureFiles",
    "AzureFilesArgs",
    "AzureIngress",
    "AzureIngressArgs",
    "AzureKeys",
    "AzureKeysArgs",
    "AzureKeysResources",
    "AzureLogs",
    "AzureLogsArgs",
    "AzureLustre",
    "AzureLustreArgs",
    "AzureModelReplication",
    "AzureModelReplicationArgs",
    "AzureModelStore",
    "AzureModelStoreArgs",
    "AzureNetwork",
    "AzureNetworkArgs",
    "AzureNetworkResources",
    "AzurePostgres",
    "AzurePostgresArgs",
    "AzureRedis",
    "AzureRedisArgs",
    "AzureRegistry",
    "AzureRegistryArgs",
    "AzureThreatDetection",
    "AzureThreatDetectionArgs",
    "CustomerKey",
    "DiskPlace",
    "GpuStack",
    "KeyUse",
    "MaintenanceWindow",
    "OsSku",
    "PrivateService",
    "ReplicaArgs",
    "SubnetUse",
]
