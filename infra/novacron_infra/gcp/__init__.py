"""Google as components: network, keys, cluster, node pools, storage. Importing it loads Google's SDK and no other."""

from novacron_infra.gcp.cluster import GkeCluster, GkeClusterArgs, GkeClusterResources, ReleaseChannel
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
from novacron_infra.gcp.storage import (
    DiskAccess,
    GcpFastFiles,
    GcpFastFilesArgs,
    GcpModelDisk,
    GcpModelDiskArgs,
    GcpModelStore,
    GcpModelStoreArgs,
    GcpSharedFiles,
    GcpSharedFilesArgs,
)

__all__ = [
    "DiskAccess",
    "FabricInterface",
    "GcpFabric",
    "GcpFabricArgs",
    "GcpFastFiles",
    "GcpFastFilesArgs",
    "GcpKeys",
    "GcpKeysArgs",
    "GcpModelDisk",
    "GcpModelDiskArgs",
    "GcpModelStore",
    "GcpModelStoreArgs",
    "GcpNetwork",
    "GcpNetworkArgs",
    "GcpNetworkResources",
    "GcpSharedFiles",
    "GcpSharedFilesArgs",
    "GkeCluster",
    "GkeClusterArgs",
    "GkeClusterResources",
    "GkeNodePool",
    "GkeNodePoolArgs",
    "GkeNodePoolResources",
    "GpuDriver",
    "KeyUse",
    "ReleaseChannel",
]
