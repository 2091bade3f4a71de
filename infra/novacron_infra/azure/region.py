"""A region on Azure: keys, network, cluster, node pools, ingress, model store, databases and registry.

The plan decides how many nodes of which machine there are. Connections between regions are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_azure_native import resources

from novacron_infra.azure.checks import check_name, check_region
from novacron_infra.azure.databases import find_redis_size
from novacron_infra.azure.iam import Role
from novacron_infra.azure.identity import AksPodIdentity, AksPodIdentityArgs
from novacron_infra.azure.ingress import AzureIngress, AzureIngressArgs
from novacron_infra.azure.keys import CustomerKey, KeyUse
from novacron_infra.azure.logs import AzureLogs, AzureLogsArgs
from novacron_infra.azure.names import make_unique_name
from novacron_infra.azure.network import AzureNetworkIds, SubnetUse
from novacron_infra.azure.node_pool import AksNodePool, AksNodePoolArgs
from novacron_infra.azure.private_link import PrivateService
from novacron_infra.azure.region_cluster import RegionCluster, declare_cluster
from novacron_infra.azure.region_databases import RegionDatabases
from novacron_infra.azure.region_parts import connect_container, declare_keys, declare_network, declare_registry
from novacron_infra.azure.storage import AzureFiles, AzureFilesArgs, AzureModelStore, AzureModelStoreArgs
from novacron_infra.catalog import Cloud
from novacron_infra.config import Platform
from novacron_infra.errors import ArgumentError, Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.databases import check_redis_nodes
from novacron_infra.limits.identities import check_subscription
from novacron_infra.pools import NodePoolShape
from novacron_infra.regions import RegionResults, RegionSpec
from novacron_infra.stores import (
    AzureBlobStore,
    AzureStore,
    ExistingBlobStore,
    NfsStore,
    make_nfs_address,
    make_store_url,
)
from novacron_infra.workloads.names import WORKER_SERVICE_ACCOUNT, find_worker_namespace
from novacron_infra.workloads.serving_args import RegionStack

if TYPE_CHECKING:
    from novacron_infra.workloads.cluster_add_ons import PreparedCluster

_POOL_NAMES = {"coordinators": "coord"}
"""Short names of pools, because AKS limits their length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureRegionArgs:
    """A region on Azure. `spec.postgres_storage_gib` is a size of Premium SSD, such as 128 or 1024."""

    spec: RegionSpec
    subscription_id: str
    """Names that are unique in all of Azure are made from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureRegionResults(RegionResults):
    """Results of a region on Azure for the rest of the stack."""

    redis_secret: pulumi.Output[str]
    resource_group: pulumi.Output[str]
    ingress_name: pulumi.Output[str]


class AzureRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Everything is in a resource group of the region's name. Where nothing is protected the vault can be gone 7 days
    after it is deleted, otherwise 90: until then its name is taken, and a region made again under the same name
    needs it recovered first (`az keyvault recover`).

    Pass the region's provider as `providers`.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    spec: RegionSpec
    cluster: RegionCluster
    store: AzureModelStore | None
    """None: the models are in a file system, or in a container that exists."""
    container_id: pulumi.Input[str] | None
    """Container of the models. None: they are in a file system."""
    files: AzureFiles | None
    """Azure Files."""
    ingress: AzureIngress
    ingress_address: pulumi.Output[str]
    """IPv4."""
    resource_group_name: pulumi.Output[str]
    serving: RegionStack | None
    """The serving stack. None without `spec.serving`."""
    results: AzureRegionResults

    def __init__(self, name: str, args: AzureRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        self.spec = spec = args.spec
        store, redis_size = _check_args(name, args)
        super().__init__("novacron:index:AzureRegion", name, None, opts)
        self._name, self._subscription_id = name, args.subscription_id
        self._child = child = pulumi.ResourceOptions(parent=self)
        self._unique = make_unique_name(name, args.subscription_id)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=name,
            location=spec.region,
            tags=spec.tags.of("group"),
            opts=pulumi.ResourceOptions(parent=self, protect=spec.protect),
        )
        self.resource_group_name = group.name
        logs = AzureLogs(
            name, AzureLogsArgs(region=spec.region, resource_group=self.resource_group_name, tags=spec.tags), child
        )
        keys = declare_keys(name, spec, self.resource_group_name, self._unique, logs, child)
        storage_key = keys.find_key(KeyUse.STORAGE)
        network = declare_network(name, spec, self.resource_group_name, keys, logs, self._unique, child)
        self.cluster = declare_cluster(name, spec, self.resource_group_name, network, keys, logs, child)
        pools = [
            AksNodePool(f"{name}-{pool}", self._pool(pool, shape, network), child) for pool, shape in spec.pools.items()
        ]
        prepared = None
        if spec.add_ons:
            prepared = self._declare_add_ons(keys.disk_encryption_set_id, pools)
        model_store = self._declare_store(store, network, storage_key, logs)
        workers = self._workers()
        databases = RegionDatabases(
            name=name,
            spec=spec,
            resource_group=self.resource_group_name,
            unique_name=self._unique,
            network=network,
            key=storage_key,
            vault_name=keys.resources.vault.name,
            workspace_id=logs.workspace_id,
            opts=child,
        )
        postgres, redis = databases.declare_postgres(), databases.declare_redis(redis_size)
        databases.connect_logins()
        group_name, principal_id = self.resource_group_name, self.cluster.kubelet_principal_id
        registry = declare_registry(
            name, spec, group_name, self._unique, network, storage_key, principal_id, logs, child
        )
        self.ingress = AzureIngress(
            f"{name}-ingress",
            AzureIngressArgs(
                region=spec.region,
                resource_group=self.resource_group_name,
                control_principal_id=self.cluster.control_principal_id,
                tags=spec.tags,
                protect=spec.protect,
            ),
            child,
        )
        self.ingress_address = self.ingress.address
        self.serving = None
        if spec.serving is not None and prepared is not None:
            # Imported here, so that programs without the serving stack do not load the Kubernetes SDK.
            from novacron_infra.azure.serving import AzureServingArgs, declare_cloud_services
            from novacron_infra.workloads.region_serving import declare_region_serving

            services = declare_cloud_services(
                name,
                AzureServingArgs(
                    spec=spec,
                    resource_group=self.resource_group_name,
                    cluster=self.cluster,
                    vault=keys.resources.vault,
                    workers=workers,
                    postgres=postgres,
                    redis=redis,
                    ingress=self.ingress,
                    registry=registry.prefix,
                    model_store=model_store,
                    files=self.files,
                ),
                child,
            )
            self.serving = declare_region_serving(name, spec.serving, services, prepared.deploy_as(self))
        self.results = AzureRegionResults(
            platform=Platform.AZURE,
            cluster=self.cluster.name,
            kubeconfig=self.cluster.kubeconfig,
            ingress_address=self.ingress_address,
            ingress_name=self.ingress.name,
            model_store=model_store,
            worker_identity=workers.client_id,
            postgres_endpoint=postgres.endpoint,
            postgres_secret=postgres.login.uri,
            redis_endpoint=redis.endpoint,
            redis_secret=redis.login.uri,
            registry=registry.url,
            resource_group=self.resource_group_name,
            endpoint=self.serving.endpoint if self.serving else None,
            namespace=self.serving.namespace if self.serving else None,
        )
        self.register_outputs(self.results.export())

    def _pool(self, pool: str, shape: NodePoolShape, network: AzureNetworkIds) -> AksNodePoolArgs:
        return AksNodePoolArgs(
            shape=shape,
            pool=_POOL_NAMES.get(pool, pool),
            region=self.spec.region,
            resource_group=self.cluster.resource_group,
            cluster_name=self.cluster.name,
            control_principal_id=self.cluster.control_principal_id,
            kubernetes_version=self.cluster.kubernetes_version,
            subnet_id=network.subnet_ids[SubnetUse.NODES],
            tags=self.spec.tags,
        )

    def _declare_add_ons(self, encryption_set_id: pulumi.Input[str], pools: list[AksNodePool]) -> PreparedCluster:
        # Imported here, so that programs without add-ons do not load the Kubernetes SDK.
        from novacron_infra.azure.cluster_add_ons import FORMER_DEFAULT, describe_charts, list_volume_classes
        from novacron_infra.workloads.cluster_add_ons import ClusterAddOnsArgs, declare_cluster_add_ons

        return declare_cluster_add_ons(
            self._name,
            self.cluster.kubeconfig,
            ClusterAddOnsArgs(
                volume_classes=list_volume_classes(self.spec.pools.values(), encryption_set_id),
                former_default=FORMER_DEFAULT,
                charts=describe_charts(self.spec.charts, self.spec.pools.values()) if self.spec.charts else None,
                default_class=self.cluster.created is not None,
            ),
            parent=self,
            depends_on=[*([self.cluster.created] if self.cluster.created else []), *pools],
        )

    def _declare_store(
        self, store: AzureStore, network: AzureNetworkIds, key: CustomerKey, logs: AzureLogs
    ) -> pulumi.Output[str]:
        """Declare the model store, and return the URL of the models."""
        spec = self.spec
        self.store, self.container_id, self.files = None, None, None
        if isinstance(store, NfsStore):
            return pulumi.Output.from_input(make_store_url(make_nfs_address(store.export), spec.models_prefix))
        if isinstance(store, ExistingBlobStore):
            self.container_id = store.container_id
            return connect_container(self._name, spec, store, self.resource_group_name, network, self._child)
        if isinstance(store, AzureBlobStore):
            self.store = AzureModelStore(
                f"{self._name}-models",
                AzureModelStoreArgs(
                    region=spec.region,
                    resource_group=self.resource_group_name,
                    account=store.account,
                    container=store.container,
                    key=key,
                    endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                    blob_zone_id=network.dns_zone_ids[PrivateService.BLOB],
                    workspace_id=logs.workspace_id if spec.audit.model_access else None,
                    tags=spec.tags,
                    protect=spec.protect,
                ),
                self._child,
            )
            self.container_id = self.store.container_id
            address = pulumi.Output.format(
                "az://{0}@{1}.blob.core.windows.net", self.store.container_name, self.store.account.name
            )
            return address.apply(lambda address: make_store_url(address, spec.models_prefix))
        self.files = AzureFiles(
            f"{self._name}-models",
            AzureFilesArgs(
                region=spec.region,
                resource_group=self.resource_group_name,
                account=make_unique_name(f"{self._name}-models", self._subscription_id),
                key=key,
                endpoint_subnet_id=network.subnet_ids[SubnetUse.ENDPOINTS],
                file_zone_id=network.dns_zone_ids[PrivateService.FILE],
                tags=spec.tags,
                protect=spec.protect,
            ),
            self._child,
        )
        return self.files.export.apply(lambda export: make_store_url(make_nfs_address(export), spec.models_prefix))

    def _workers(self) -> AksPodIdentity:
        return AksPodIdentity(
            f"{self._name}-{WORKER_SERVICE_ACCOUNT}",
            AksPodIdentityArgs(
                region=self.spec.region,
                resource_group=self.resource_group_name,
                oidc_issuer=self.cluster.oidc_issuer,
                namespace=find_worker_namespace(self.spec.serving is not None),
                service_account=WORKER_SERVICE_ACCOUNT,
                # Mounted files need no rights: the network admits the cluster's nodes.
                role=Role.STORAGE_BLOB_DATA_READER if self.container_id else None,
                # Roles are for a container, not for a prefix in it.
                scope=self.container_id,
                tags=self.spec.tags,
            ),
            self._child,
        )


def _check_args(name: str, args: AzureRegionArgs) -> tuple[AzureStore, str]:
    """Return the region's model store and size of Redis. Raise ArgumentError with all arguments that Azure rejects."""
    spec, store, redis_size = args.spec, args.spec.store, find_redis_size(args.spec.redis.shards)
    found = [
        *check_name(name),
        *check_region(f"{name}.region", spec.region),
        *check_subscription(f"{name}.subscription_id", args.subscription_id),
        *check_redis_nodes(f"{name}.redis_nodes", spec.redis_nodes, Cloud.AZURE),
    ]
    if not isinstance(store, AzureStore):
        fix = "Use AzureBlobStore, ExistingBlobStore, ManagedNfsStore or NfsStore"
        found.append(Problem(f"{name}.store", type(store).__name__, "Azure has no such model store", fix))
    elif redis_size is not None:
        raise_problems(found)
        return store, redis_size
    raise ArgumentError(found)
