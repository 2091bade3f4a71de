"""Amazon as components: network, keys, cluster, node pools, storage. Importing it loads Amazon's SDK and no other."""

from novacron_infra.aws.cluster import EksCluster, EksClusterArgs, EksClusterResources
from novacron_infra.aws.keys import AwsKeys, AwsKeysArgs, KeyUse
from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs, AwsNetworkResources, NatMode
from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs, EksNodePoolResources
from novacron_infra.aws.replication import AwsModelReplication, AwsModelReplicationArgs, ReplicaArgs
from novacron_infra.aws.storage import (
    AwsFastFiles,
    AwsFastFilesArgs,
    AwsModelStore,
    AwsModelStoreArgs,
    AwsSharedFiles,
    AwsSharedFilesArgs,
)

__all__ = [
    "AwsFastFiles",
    "AwsFastFilesArgs",
    "AwsKeys",
    "AwsKeysArgs",
    "AwsModelReplication",
    "AwsModelReplicationArgs",
    "AwsModelStore",
    "AwsModelStoreArgs",
    "AwsNetwork",
    "AwsNetworkArgs",
    "AwsNetworkResources",
    "AwsSharedFiles",
    "AwsSharedFilesArgs",
    "EksCluster",
    "EksClusterArgs",
    "EksClusterResources",
    "EksNodePool",
    "EksNodePoolArgs",
    "EksNodePoolResources",
    "KeyUse",
    "NatMode",
    "ReplicaArgs",
]
