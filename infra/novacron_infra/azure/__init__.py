"""Azure as components: logs, keys, network, cluster, node pools. Importing it loads Azure's SDK and no other."""

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

__all__ = [
    "AksCluster",
    "AksClusterArgs",
    "AksClusterResources",
    "AksNodePool",
    "AksNodePoolArgs",
    "AksNodePoolResources",
    "AzureKeys",
    "AzureKeysArgs",
    "AzureKeysResources",
    "AzureLogs",
    "AzureLogsArgs",
    "AzureNetwork",
    "AzureNetworkArgs",
    "AzureNetworkResources",
    "CustomerKey",
    "DiskPlace",
    "GpuStack",
    "KeyUse",
    "MaintenanceWindow",
    "OsSku",
    "PrivateService",
    "SubnetUse",
]
