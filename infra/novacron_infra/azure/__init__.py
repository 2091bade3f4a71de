"""Azure as components: logs, keys, network, cluster, node pools, storage. Importing it loads Azure's SDK only."""

from novacron_infra.azure.cluster import AksCluster, AksClusterArgs, AksClusterResources, MaintenanceWindow
from novacron_infra.azure.keys import AzureKeys, AzureKeysArgs, AzureKeysResources, CustomerKey, KeyUse
from novacron_infra.azure.logs import AzureLogs, AzureLogsArgs
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
from novacron_infra.azure.storage import (
    AzureFastFiles,
    AzureFastFilesArgs,
    AzureModelStore,
    AzureModelStoreArgs,
    AzureSharedFiles,
    AzureSharedFilesArgs,
)

__all__ = [
    "AksCluster",
    "AksClusterArgs",
    "AksClusterResources",
    "AksNodePool",
    "AksNodePoolArgs",
    "AksNodePoolResources",
    "AzureFastFiles",
    "AzureFastFilesArgs",
    "AzureKeys",
    "AzureKeysArgs",
    "AzureKeysResources",
    "AzureLogs",
    "AzureLogsArgs",
    "AzureModelStore",
    "AzureModelStoreArgs",
    "AzureNetwork",
    "AzureNetworkArgs",
    "AzureNetworkResources",
    "AzureSharedFiles",
    "AzureSharedFilesArgs",
    "CustomerKey",
    "DiskPlace",
    "GpuStack",
    "KeyUse",
    "MaintenanceWindow",
    "OsSku",
    "PrivateService",
    "SubnetUse",
]
