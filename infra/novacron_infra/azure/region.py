"""One region on Azure, put together: keys, network, cluster, node pools, model store, databases, registry, ingress.

Holds no arithmetic: the plan has decided how many nodes of which machine there are. Not for what connects regions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import pulumi
from pulumi_azure_native import resources

from novacron_infra.azure.checks import name_problems, region_problems
from novacron_infra.azure.cluster import AksCluster, AksClusterArgs
from novacron_infra.azure.databases import (
    AzurePostgres,
    AzurePostgresArgs,
    AzureRedis,
    AzureRedisArgs,
    redis_size,
)
from novacron_infra.azure.iam import Role
from novacron_infra.azure.identity import AksPodIdentity, AksPodIdentityArgs
from novacron_infra.azure.ingress import AzureIngress, AzureIngressArgs
from novacron_infra.azure.keys import AzureKeys, AzureKeysArgs, CustomerKey, KeyUse
from novacron_infra.azure.logs import AzureLogs, AzureLogsArgs
from novacron_infra.azure.network import AzureNetwork, AzureNetworkArgs, SubnetUse
from novacron_infra.azure.node_pool import AksNodePool, AksNodePoolArgs
from novacron_infra.azure.private_link import PrivateService
from novacron_infra.azure.registry import AzureRegistry, AzureRegistryArgs
from novacron_infra.azure.storage import (
    AzureModelStore,
    AzureModelStoreArgs,
    AzureSharedFiles,
    AzureSharedFilesArgs,
)
from novacron_infra.config import Platform, StoreKind
from novacron_infra.errors import Problem, refuse
from novacron_infra.pools import NodePoolShape
from novacron_infra.stores import nfs_address, store_url
from novacron_infra.tags import Tags

NAMESPACE = "novacron-llm"
POSTGRES_CLASS = "Standard_E8ds_v5"
PUBLIC_PORTS = (443,)
"""Of the coordinators, which nodes let in from the internet behind the load balancer."""
_POOL_NAMES = {"coordinators": "coord"}
"""AKS's names of pools are short; the others' fit."""
_KEPT_DAYS, _GONE_DAYS = 90, 7
_HASH_LENGTH, _LONGEST_VAULT = 8, 24
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureRegionArgs:
    """A region."""

    region: str
    subscription_id: str
    """Names that are unique in all of Azure are made from it."""
    network: str
    """Private IPv4 network, such as 10.0.0.0/16."""
    kubernetes_version: str
    admins: tuple[str, ...]
    """Object ids of groups."""
    public_networks: tuple[str, ...]
    """From which the Kubernetes API is reached; none: it is private."""
    pools: Mapping[str, NodePoolShape]
    """By name, as the plan gives them. Zones are theirs: everything else is in all zones of the region."""
    bucket: str | None
    """Of the model store, as `ModelStore.bucket` is written; None: a share of Azure Files that is made."""
    postgres_storage_gib: int
    """One of `POSTGRES_SIZES_GIB`."""
    redis_nodes: int
    """1, or an even number from 6: half of them primaries, each with a replica. Azure sells their memory as one."""
    tags: Tags
    protect: bool
    """Whether destroying the stack stops at what cannot be made again: keys, models, databases, images."""
    store_kind: StoreKind = StoreKind.AZURE
    """Or NFS: on Azure Files, or on a server that exists."""
    prefix: str = "models"
    """Where models lie in it."""
    in_cluster: bool = False
    """Whether storage classes are made in the cluster, whose API has to be in reach then."""


class AzureRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Everything is in a resource group of the region's name. Where nothing is protected the vault can be gone 7 days
    after it is deleted, otherwise 90: until then its name is taken, and a region made again under the same name
    needs it recovered first (`az keyvault recover`).

    Pass the region's provider as `providers`.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    cluster: AksCluster
    store: AzureModelStore | None
    """None: models lie in files."""
    files: AzureSharedFiles | None
    """Azure Files."""
    ingress: AzureIngress
    ingress_address: pulumi.Output[str]
    """IPv4."""
    resource_group_name: pulumi.Output[str]
    outputs: dict[str, pulumi.Output[str]]
    """Those of `novacron_infra.outputs.RegionOutputs`."""

    def __init__(self, name: str, args: AzureRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name), *region_problems(f"{name}.region", args.region), *_problems(name, args)])
        super().__init__("novacron:index:AzureRegion", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)
        self._unique = unique_name(name, args.subscription_id)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=name,
            location=args.region,
            tags=args.tags.of("group"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.resource_group_name = group.name
        logs = AzureLogs(
            name, AzureLogsArgs(region=args.region, resource_group=self.resource_group_name, tags=args.tags), child
        )
        keys = AzureKeys(
            name,
            AzureKeysArgs(
                region=args.region,
                resource_group=self.resource_group_name,
                vault=self._unique,
                workspace_id=logs.workspace_id,
                tags=args.tags,
                deletion_window_days=_KEPT_DAYS if args.protect else _GONE_DAYS,
                protect=args.protect,
            ),
            child,
        )
        storage_key = keys.key(KeyUse.STORAGE)
        network = AzureNetwork(
            name,
            AzureNetworkArgs(
                region=args.region,
                resource_group=self.resource_group_name,
                cidr=args.network,
                storage_key=storage_key,
                workspace_id=logs.workspace_id,
                workspace_guid=logs.workspace_guid,
                flow_log_account=self._unique,
                public_ports=PUBLIC_PORTS,
                tags=args.tags,
            ),
            child,
        )
        self.cluster = AksCluster(
            name,
            AksClusterArgs(
                region=args.region,
                resource_group=self.resource_group_name,
                kubernetes_version=args.kubernetes_version,
                network_cidr=args.network,
                nodes_subnet_id=network.subnet_ids[SubnetUse.NODES],
                api_server_subnet_id=network.subnet_ids[SubnetUse.API_SERVER],
                secrets_key=keys.key(KeyUse.CLUSTER),
                disk_encryption_set_id=keys.disk_encryption_set_id,
                workspace_id=logs.workspace_id,
                admin_group_ids=args.admins,
                public_cidrs=args.public_networks,
                tags=args.tags,
                protect=args.protect,
            ),
            child,
        )
        pools = [
            AksNodePool(f"{name}-{pool}", self._pool(pool, shape, network), child) for pool, shape in args.pools.items()
        ]
        if args.in_cluster:
            self._declare_in_cluster(keys.disk_encryption_set_id, pools)
        kind, made = args.store_kind, args.bucket is None
        self.store = self._container(network, storage_key) if kind is StoreKind.AZURE else None
        self.files = self._files(network, storage_key) if kind is StoreKind.NFS and made else None
        workers = self._workers()
        postgres = self._postgres(network, storage_key, keys, logs)
        redis = self._redis(network, storage_key, keys)
        registry = self._registry(network, storage_key, logs)
        self.ingress = AzureIngress(
            f"{name}-ingress",
            AzureIngressArgs(
                region=args.region,
                resource_group=self.resource_group_name,
                control_principal_id=self.cluster.control_principal_id,
                tags=args.tags,
                protect=args.protect,
            ),
            child,
        )
        self.ingress_address = self.ingress.address
        self.outputs = {
            "platform": pulumi.Output.from_input(Platform.AZURE.value),
            "cluster": self.cluster.name,
            "kubeconfig": self.cluster.kubeconfig,
            "resource_group": self.resource_group_name,
            "model_store": self._models(),
            "worker_identity": workers.client_id,
            "postgres_endpoint": postgres.endpoint,
            "postgres_secret": postgres.secret_id,
            "redis_endpoint": redis.endpoint,
            "redis_secret": redis.secret_id,
            "ingress_address": self.ingress_address,
            "ingress_name": self.ingress.name,
            "registry": registry.server,
        }
        self.register_outputs(self.outputs)

    def _pool(self, pool: str, shape: NodePoolShape, network: AzureNetwork) -> AksNodePoolArgs:
        return AksNodePoolArgs(
            shape=shape,
            pool=_POOL_NAMES.get(pool, pool),
            region=self._args.region,
            resource_group=self.resource_group_name,
            cluster_name=self.cluster.name,
            control_principal_id=self.cluster.control_principal_id,
            kubernetes_version=self._args.kubernetes_version,
            subnet_id=network.subnet_ids[SubnetUse.NODES],
            tags=self._args.tags,
        )

    def _declare_in_cluster(self, encryption_set_id: pulumi.Input[str], pools: list[AksNodePool]) -> None:
        # Imported here: who wants none of it does not load the SDK of Kubernetes.
        from novacron_infra.azure.in_cluster import FORMER_DEFAULT, volume_classes
        from novacron_infra.cluster_base import ClusterBase, ClusterBaseArgs

        ClusterBase(
            f"{self._name}-in-cluster",
            ClusterBaseArgs(
                kubeconfig=self.cluster.kubeconfig,
                volume_classes=volume_classes(self._args.pools.values(), encryption_set_id),
                former_default=FORMER_DEFAULT,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[self.cluster, *pools]),
        )

    def _models(self) -> pulumi.Output[str]:
        """Where models lie, as a URL."""
        prefix = self._args.prefix
        if self.store is not None:
            address = pulumi.Output.format(
                "az://{0}@{1}.blob.core.windows.net", self.store.container_name, self.store.account.name
            )
            return address.apply(lambda address: store_url(address, prefix))
        export = self.files.export if self.files is not None else pulumi.Output.from_input(self._args.bucket or "")
        return export.apply(lambda export: store_url(nfs_address(export), prefix))

    def _files(self, network: AzureNetwork, key: CustomerKey) -> AzureSharedFiles:
        return AzureSharedFiles(
            f"{self._name}-models",
            AzureSharedFilesArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                account=unique_name(f"{self._name}-models", self._args.subscription_id),
                key=key,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                file_zone_id=network.dns_zone_ids[PrivateService.FILE],
                tags=self._args.tags,
                protect=self._args.protect,
            ),
            self._child,
        )

    def _container(self, network: AzureNetwork, key: CustomerKey) -> AzureModelStore:
        account, _, container = (self._args.bucket or "").partition("/")
        return AzureModelStore(
            f"{self._name}-models",
            AzureModelStoreArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                account=account,
                container=container,
                key=key,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                blob_zone_id=network.dns_zone_ids[PrivateService.BLOB],
                tags=self._args.tags,
                protect=self._args.protect,
            ),
            self._child,
        )

    def _workers(self) -> AksPodIdentity:
        return AksPodIdentity(
            f"{self._name}-llm-workers",
            AksPodIdentityArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                oidc_issuer=self.cluster.oidc_issuer,
                namespace=NAMESPACE,
                service_account="llm-workers",
                # Who mounts files needs no rights: the network lets the cluster's nodes in.
                role=Role.STORAGE_BLOB_DATA_READER if self.store else None,
                # Roles are for a container, not for a prefix in it.
                scope=self.store.container_id if self.store else None,
                tags=self._args.tags,
            ),
            self._child,
        )

    def _postgres(self, network: AzureNetwork, key: CustomerKey, keys: AzureKeys, logs: AzureLogs) -> AzurePostgres:
        return AzurePostgres(
            f"{self._name}-postgres",
            AzurePostgresArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                server=self._unique,
                instance_class=POSTGRES_CLASS,
                storage_gib=self._args.postgres_storage_gib,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                postgres_zone_id=network.dns_zone_ids[PrivateService.POSTGRES],
                key=key,
                vault_name=keys.resources.vault.name,
                workspace_id=logs.workspace_id,
                tags=self._args.tags,
                protect=self._args.protect,
            ),
            self._child,
        )

    def _redis(self, network: AzureNetwork, key: CustomerKey, keys: AzureKeys) -> AzureRedis:
        clustered = self._args.redis_nodes > 1
        return AzureRedis(
            f"{self._name}-redis",
            AzureRedisArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                cluster=self._unique,
                node_type=redis_size(self._args.redis_nodes // 2 if clustered else 1) or "",
                clustered=clustered,
                replicated=clustered,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                redis_zone_id=network.dns_zone_ids[PrivateService.REDIS],
                key=key,
                vault_name=keys.resources.vault.name,
                tags=self._args.tags,
            ),
            self._child,
        )

    def _registry(self, network: AzureNetwork, key: CustomerKey, logs: AzureLogs) -> AzureRegistry:
        return AzureRegistry(
            f"{self._name}-images",
            AzureRegistryArgs(
                region=self._args.region,
                resource_group=self.resource_group_name,
                registry=self._unique,
                key=key,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                registry_zone_id=network.dns_zone_ids[PrivateService.REGISTRY],
                pull_principal_id=self.cluster.kubelet_principal_id,
                workspace_id=logs.workspace_id,
                tags=self._args.tags,
                protect=self._args.protect,
            ),
            self._child,
        )


def unique_name(name: str, subscription_id: str) -> str:
    """A name for what is named in all of Azure: letters and digits that no other subscription comes to."""
    digest = sha256(f"{subscription_id.lower()}/{name}".encode()).hexdigest()[:_HASH_LENGTH]
    return name.replace("-", "")[: _LONGEST_VAULT - _HASH_LENGTH] + digest


def _problems(name: str, args: AzureRegionArgs) -> list[Problem]:
    found: list[Problem] = []
    if not _SUBSCRIPTION.fullmatch(args.subscription_id):
        rule, fix = "it is no subscription's id", "Write it as 00000000-0000-0000-0000-000000000000"
        found.append(Problem(f"{name}.subscription_id", args.subscription_id, rule, fix))
    if args.store_kind is StoreKind.AZURE and "/" not in (args.bucket or ""):
        rule = "it names no container"
        found.append(Problem(f"{name}.bucket", args.bucket or "missing", rule, "Write it as account/container"))
    if redis_size(args.redis_nodes // 2) is None:
        rule = "Azure Managed Redis has no such size"
        found.append(Problem(f"{name}.redis_nodes", str(args.redis_nodes), rule, "Use fewer"))
    return found
