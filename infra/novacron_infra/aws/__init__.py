"""Amazon: network, keys, EKS cluster and node pools as components. Importing it loads Amazon's SDK and no other."""

from novacron_infra.aws.cluster import EksCluster, EksClusterArgs, EksClusterResources
from novacron_infra.aws.keys import AwsKeys, AwsKeysArgs, KeyUse
from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs, AwsNetworkResources, NatMode
from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs, EksNodePoolResources

__all__ = [
    "AwsKeys",
    "AwsKeysArgs",
    "AwsNetwork",
    "AwsNetworkArgs",
    "AwsNetworkResources",
    "EksCluster",
    "EksClusterArgs",
    "EksClusterResources",
    "EksNodePool",
    "EksNodePoolArgs",
    "EksNodePoolResources",
    "KeyUse",
    "NatMode",
]
