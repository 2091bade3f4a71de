"""AWS components. Importing this package loads only the SDK of AWS."""

from novacron_infra.aws.addons import EksAddons, EksAddonsArgs
from novacron_infra.aws.cluster import EksCluster, EksClusterArgs, EksClusterResources
from novacron_infra.aws.databases import AwsPostgres, AwsPostgresArgs, AwsRedis, AwsRedisArgs
from novacron_infra.aws.file_replication import AwsFileReplication, AwsFileReplicationArgs
from novacron_infra.aws.identity import EksPodRole, EksPodRoleArgs, reads_models
from novacron_infra.aws.ingress import AwsIngress, AwsIngressArgs
from novacron_infra.aws.keys import AwsKeys, AwsKeysArgs, KeyUse
from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs, AwsNetworkResources, NatMode
from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs, EksNodePoolResources
from novacron_infra.aws.registry import AwsRegistry, AwsRegistryArgs
from novacron_infra.aws.replication import AwsModelReplication, AwsModelReplicationArgs, ReplicaArgs
from novacron_infra.aws.storage import (
    AwsEfs,
    AwsEfsArgs,
    AwsLustre,
    AwsLustreArgs,
    AwsModelStore,
    AwsModelStoreArgs,
)
from novacron_infra.aws.threat_detection import AwsThreatDetection, AwsThreatDetectionArgs

__all__ = [
    "AwsEfs",
    "AwsEfsArgs",
    "AwsFileReplication",
    "AwsFileReplicationArgs",
    "AwsIngress",
    "AwsIngressArgs",
    "AwsKeys",
    "AwsKeysArgs",
    "AwsLustre",
    "AwsLustreArgs",
    "AwsModelReplication",
    "AwsModelReplicationArgs",
    "AwsModelStore",
    "AwsModelStoreArgs",
    "AwsNetwork",
    "AwsNetworkArgs",
    "AwsNetworkResources",
    "AwsPostgres",
    "AwsPostgresArgs",
    "AwsRedis",
    "AwsRedisArgs",
    "AwsRegistry",
    "AwsRegistryArgs",
    "AwsThreatDetection",
    "AwsThreatDetectionArgs",
    "EksAddons",
    "EksAddonsArgs",
    "EksCluster",
    "EksClusterArgs",
    "EksClusterResources",
    "EksNodePool",
    "EksNodePoolArgs",
    "EksNodePoolResources",
    "EksPodRole",
    "EksPodRoleArgs",
    "KeyUse",
    "NatMode",
    "ReplicaArgs",
    "reads_models",
]
