"""One region on Amazon, put together: keys, network, cluster, node pools, front door, model store, databases, registry.

Holds no arithmetic: the plan has decided how many nodes of which machine there are. Not for what connects regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from novacron_infra.aws.addons import EksAddons, EksAddonsArgs
from novacron_infra.aws.cluster import EksCluster, EksClusterArgs
from novacron_infra.aws.databases import AwsPostgres, AwsPostgresArgs, AwsRedis, AwsRedisArgs
from novacron_infra.aws.identity import EksPodRole, EksPodRoleArgs, reads_models
from novacron_infra.aws.ingress import AwsIngress, AwsIngressArgs
from novacron_infra.aws.keys import AwsKeys, AwsKeysArgs, KeyUse
from novacron_infra.aws.network import AwsNetwork, AwsNetworkArgs
from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs
from novacron_infra.aws.registry import AwsRegistry, AwsRegistryArgs
from novacron_infra.aws.storage import AwsModelStore, AwsModelStoreArgs, AwsSharedFiles, AwsSharedFilesArgs
from novacron_infra.config import Platform, StoreKind
from novacron_infra.pools import NodePoolShape
from novacron_infra.stores import nfs_address, store_url
from novacron_infra.tags import Tags

NAMESPACE = "novacron-llm"
POSTGRES_CLASS = "db.r7g.2xlarge"
REDIS_TYPE = "cache.r7g.2xlarge"


@dataclass(frozen=True, kw_only=True, slots=True)
class DevicePluginImages:
    """Images of the plugins that tell the kubelet of devices."""

    nvidia: str
    efa: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRegionArgs:
    """A region."""

    region: str
    zones: tuple[str, ...]
    network: str
    """Private IPv4 network, such as 10.0.0.0/16."""
    kubernetes_version: str
    admins: tuple[str, ...]
    """ARNs of roles and users."""
    public_networks: tuple[str, ...]
    """From which the Kubernetes API is reached; none: it is private."""
    pools: Mapping[str, NodePoolShape]
    """By name, as the plan gives them; `coordinators` is among them."""
    bucket: str | None
    """Of the model store, as `ModelStore.bucket` is written; None: an EFS file system that is made."""
    prefix: str
    """Where models lie in it."""
    postgres_storage_gib: int
    redis_nodes: int
    """1, or an even number from 6: half of them primaries, each with a replica."""
    redis_password: pulumi.Input[str]
    tags: Tags
    protect: bool
    """Whether destroying the stack stops at what cannot be made again: keys, models, databases, images,
    the front door's address."""
    configuration_prefix: str = "configuration"
    """Where configuration lies beside them."""
    account_id: str | None = None
    """None: the region's STS is asked."""
    store_kind: StoreKind = StoreKind.S3
    """Or EFS, or NFS on a server that exists."""
    replica: bool = False
    """Whether the EFS file system may be overwritten by replication from another region."""
    in_cluster: DevicePluginImages | None = None
    """With them, storage classes and device plugins are made in the cluster, whose API has to be in reach then."""


class AwsRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Pass the region's provider as `providers`.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    cluster: EksCluster
    store: AwsModelStore | None
    """None: models lie in files."""
    files: AwsSharedFiles | None
    """EFS."""
    storage_key_arn: pulumi.Output[str]
    ingress_address: pulumi.Output[str]
    """Host name of the front door."""
    outputs: dict[str, pulumi.Output[str]]
    """Those of `novacron_infra.outputs.RegionOutputs`."""

    def __init__(self, name: str, args: AwsRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("novacron:index:AwsRegion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, protect = args.tags, args.protect
        keys = AwsKeys(
            name, AwsKeysArgs(region=args.region, tags=tags, protect=protect, account_id=args.account_id), child
        )
        self.storage_key_arn = keys.arn(KeyUse.STORAGE)
        network = AwsNetwork(
            name,
            AwsNetworkArgs(
                region=args.region, zones=args.zones, cidr=args.network, logs_key_arn=keys.arn(KeyUse.LOGS), tags=tags
            ),
            child,
        )
        self.cluster = EksCluster(
            name,
            EksClusterArgs(
                region=args.region,
                kubernetes_version=args.kubernetes_version,
                network_cidr=args.network,
                subnet_ids=list(network.private_subnet_ids.values()),
                secrets_key_arn=keys.arn(KeyUse.CLUSTER),
                logs_key_arn=keys.arn(KeyUse.LOGS),
                admin_principal_arns=args.admins,
                public_cidrs=args.public_networks,
                tags=tags,
                protect=protect,
            ),
            child,
        )
        pools = {
            pool: EksNodePool(f"{name}-{pool}", self._pool(shape, args, network), child)
            for pool, shape in args.pools.items()
        }
        EksAddons(
            name,
            EksAddonsArgs(cluster_name=self.cluster.name, tags=tags, shared_files=args.store_kind is StoreKind.EFS),
            pulumi.ResourceOptions(parent=self, depends_on=[pools["coordinators"]]),
        )
        if args.in_cluster is not None:
            self._declare_in_cluster(name, args, args.in_cluster, list(pools.values()))
        ingress = AwsIngress(
            name,
            AwsIngressArgs(
                vpc_id=network.vpc_id,
                subnet_ids=network.public_subnet_ids,
                cluster_security_group_id=self.cluster.security_group_id,
                tags=tags,
                protect=protect,
            ),
            child,
        )
        self.ingress_address = ingress.address
        self.store = self._bucket(name, args) if args.store_kind is StoreKind.S3 else None
        self.files = self._files(name, args, network) if args.store_kind is StoreKind.EFS else None
        worker_role = EksPodRole(
            f"{name}-llm-workers",
            EksPodRoleArgs(
                cluster_name=self.cluster.name,
                namespace=NAMESPACE,
                service_account="llm-workers",
                # Who mounts files needs no rights: the network lets the cluster's nodes in.
                policy=pulumi.Output.all(
                    bucket_arn=self.store.bucket_arn,
                    key_arn=self.storage_key_arn,
                    prefixes=[args.prefix, args.configuration_prefix],
                ).apply(_reads_models)
                if self.store
                else None,
                tags=tags,
            ),
            child,
        )
        postgres = AwsPostgres(
            f"{name}-postgres",
            AwsPostgresArgs(
                instance_class=POSTGRES_CLASS,
                storage_gib=args.postgres_storage_gib,
                vpc_id=network.vpc_id,
                subnet_ids=network.private_subnet_ids,
                client_security_group_id=self.cluster.security_group_id,
                key_arn=self.storage_key_arn,
                tags=tags,
                protect=protect,
            ),
            child,
        )
        clustered = args.redis_nodes > 1
        redis = AwsRedis(
            name,  # not longer: LONGEST_REDIS_NAME holds staging-ap-southeast-1 and nothing after it
            AwsRedisArgs(
                node_type=REDIS_TYPE,
                shards=args.redis_nodes // 2 if clustered else 1,
                replicas_per_shard=1 if clustered else 0,
                password=args.redis_password,
                vpc_id=network.vpc_id,
                subnet_ids=network.private_subnet_ids,
                client_security_group_id=self.cluster.security_group_id,
                key_arn=self.storage_key_arn,
                tags=tags,
            ),
            child,
        )
        registry = AwsRegistry(
            f"{name}-images",
            AwsRegistryArgs(key_arn=self.storage_key_arn, prefix=tags.environment.lower(), tags=tags, protect=protect),
            child,
        )
        self.outputs = {
            "platform": pulumi.Output.from_input(Platform.AWS.value),
            "cluster": self.cluster.name,
            "kubeconfig": self.cluster.kubeconfig,
            "ingress_address": self.ingress_address,
            "model_store": self._models(args),
            "worker_identity": worker_role.role_arn,
            "postgres_endpoint": postgres.endpoint,
            "postgres_secret": postgres.secret_arn,
            "redis_endpoint": redis.endpoint,
            "registry": registry.url,
            "target_group_arn": ingress.target_group_arn,
        }
        self.register_outputs(self.outputs)

    def _bucket(self, name: str, args: AwsRegionArgs) -> AwsModelStore:
        return AwsModelStore(
            f"{name}-models",
            AwsModelStoreArgs(
                bucket=args.bucket or "", key_arn=self.storage_key_arn, tags=args.tags, protect=args.protect
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _files(self, name: str, args: AwsRegionArgs, network: AwsNetwork) -> AwsSharedFiles:
        return AwsSharedFiles(
            f"{name}-models",
            AwsSharedFilesArgs(
                subnet_ids=network.private_subnet_ids,
                security_group_id=self.cluster.security_group_id,
                key_arn=self.storage_key_arn,
                tags=args.tags,
                existing_id=args.bucket,
                replica=args.replica,
                protect=args.protect,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _models(self, args: AwsRegionArgs) -> pulumi.Output[str]:
        """Where models lie, as a URL."""
        if self.files is not None:
            return self.files.file_system_id.apply(lambda id_: store_url(f"efs://{id_}", args.prefix))
        if self.store is not None:
            return self.store.bucket.bucket.apply(lambda bucket: store_url(f"s3://{bucket}", args.prefix))
        return pulumi.Output.from_input(store_url(nfs_address(args.bucket or ""), args.prefix))

    def _pool(self, shape: NodePoolShape, args: AwsRegionArgs, network: AwsNetwork) -> EksNodePoolArgs:
        return EksNodePoolArgs(
            shape=shape,
            cluster_name=self.cluster.name,
            cluster_security_group_id=self.cluster.security_group_id,
            kubernetes_version=args.kubernetes_version,
            subnet_ids=network.private_subnet_ids,
            disk_key_arn=self.storage_key_arn,
            tags=args.tags,
            fabric_security_group_id=network.fabric_security_group_id,
        )

    def _declare_in_cluster(
        self, name: str, args: AwsRegionArgs, images: DevicePluginImages, pools: list[EksNodePool]
    ) -> None:
        # Imported here: who wants none of it does not load the SDK of Kubernetes.
        from novacron_infra.aws.in_cluster import device_plugins, volume_classes
        from novacron_infra.cluster_base import ClusterBase, ClusterBaseArgs

        ClusterBase(
            f"{name}-in-cluster",
            ClusterBaseArgs(
                kubeconfig=self.cluster.kubeconfig,
                volume_classes=volume_classes(self.storage_key_arn),
                device_plugins=device_plugins(args.pools.values(), images.nvidia, images.efa),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[self.cluster, *pools]),
        )


def _reads_models(known: Mapping[str, Any]) -> str:
    return reads_models(known["bucket_arn"], known["key_arn"], known["prefixes"])
