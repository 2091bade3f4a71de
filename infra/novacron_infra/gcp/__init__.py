"""Google Cloud components. Importing this package loads only the SDK of Google Cloud."""

from novacron_infra.gcp.cluster import GkeCluster, GkeClusterArgs, GkeClusterResources, ReleaseChannel
from novacron_infra.gcp.databases import GcpPostgres, GcpPostgresArgs, GcpRedis, GcpRedisArgs
from novacron_infra.gcp.identity import GkePodAccount, GkePodAccountArgs, render_folder_condition
from novacron_infra.gcp.ingress import GcpIngress, GcpIngressArgs
from novacron_infra.gcp.keys import GcpKeys, GcpKeysArgs, KeyUse
from novacron_infra.gcp.network import (
    FabricInterface,
    GcpFabric,
    GcpFabricArgs,
    GcpNetwork,
    GcpNetworkArgs,
    GcpNetworkResources,
)
from novacron_infra.gcp.node_pool import GkeNodePool, GkeNodePoolArgs, GkeNodePoolResources, GpuDriver
from novacron_infra.gcp.registry import GcpRegistry, GcpRegistryArgs
from novacron_infra.gcp.replication import GcpModelReplication, GcpModelReplicationArgs, ReplicaArgs
from novacron_infra.gcp.storage import (
    DiskAccess,
    GcpFilestore,
    GcpFilestoreArgs,
    GcpLustre,
    GcpLustreArgs,
    GcpModelDisk,
    GcpModelDiskArgs,
    GcpModelStore,
    GcpModelStoreArgs,
)
from novacron_infra.gcp.threat_detection import GcpThreatAlerts, GcpThreatAlertsArgs

__all__ = [
    "DiskAccess",
    "FabricInterface",
    "GcpFabric",
    "GcpFabricArgs",
    "GcpFilestore",
    "GcpFilestoreArgs",
    "GcpIngress",
    "GcpIngressArgs",
    "GcpKeys",
    "GcpKeysArgs",
    "GcpLustre",
    "GcpLustreArgs",
    "GcpModelDisk",
    "GcpModelDiskArgs",
    "GcpModelReplication",
    "GcpModelReplicationArgs",
    "GcpModelStore",
    "GcpModelStoreArgs",
    "GcpNetwork",
    "GcpNetworkArgs",
    "GcpNetworkResources",
    "GcpPostgres",
    "GcpPostgresArgs",
    "GcpRedis",
    "GcpRedisArgs",
    "GcpRegistry",
    "GcpRegistryArgs",
    "GcpThreatAlerts",
    "GcpThreatAlertsArgs",
    "GkeCluster",
    "GkeClusterArgs",
    "GkeClusterResources",
    "GkeNodePool",
    "GkeNodePoolArgs",
    "GkeNodePoolResources",
    "GkePodAccount",
    "GkePodAccountArgs",
    "GpuDriver",
    "KeyUse",
    "ReleaseChannel",
    "ReplicaArgs",
    "render_folder_condition",
]
