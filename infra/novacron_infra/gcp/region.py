"""One region on Google, put together: keys, network, cluster, node pools, model store, databases, registry, ingress.

Holds no arithmetic: the plan has decided how many nodes of which machine there are. Not for what connects regions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_gcp as gcp

from novacron_infra.config import Platform, StoreKind
from novacron_infra.errors import Problem, refuse
from novacron_infra.gcp.cluster import GkeCluster, GkeClusterArgs
from novacron_infra.gcp.databases import GcpPostgres, GcpPostgresArgs, GcpRedis, GcpRedisArgs
from novacron_infra.gcp.identity import GkePodAccount, GkePodAccountArgs, in_folders
from novacron_infra.gcp.ingress import GcpIngress, GcpIngressArgs
from novacron_infra.gcp.keys import GcpKeys, GcpKeysArgs, KeyUse
from novacron_infra.gcp.network import FabricInterface, GcpFabric, GcpFabricArgs, GcpNetwork, GcpNetworkArgs
from novacron_infra.gcp.node_pool import GkeNodePool, GkeNodePoolArgs
from novacron_infra.gcp.registry import GcpRegistry, GcpRegistryArgs
from novacron_infra.gcp.storage import GcpModelStore, GcpModelStoreArgs, GcpSharedFiles, GcpSharedFilesArgs
from novacron_infra.pools import NodePoolShape
from novacron_infra.stores import FILESTORE_GIB, nfs_address, store_url
from novacron_infra.tags import Tags

NAMESPACE = "novacron-llm"
POSTGRES_CLASS = "db-perf-optimized-N-8"
REDIS_TYPE = "REDIS_HIGHMEM_XLARGE"
_PROJECT = re.compile(r"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_ADMIN = re.compile(r"(user|group|serviceAccount):[^@\s]+@[^@\s]+")
_ALWAYS = 'request.time > timestamp("2026-01-01T00:00:00Z")'


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpRegionArgs:
    """A region."""

    project: str
    """The provider's: its id, not its number."""
    region: str
    zones: tuple[str, ...]
    network: str
    """Private IPv4 network, such as 10.0.0.0/16."""
    kubernetes_version: str
    admins: tuple[str, ...]
    """As IAM writes them: user:…, group:… or serviceAccount:… with an address."""
    public_networks: tuple[str, ...]
    """From which the Kubernetes API is reached; none: it is private."""
    pools: Mapping[str, NodePoolShape]
    """By name, as the plan gives them."""
    bucket: str | None
    """Of the model store, as `ModelStore.bucket` is written; None: a Filestore instance that is made."""
    prefix: str
    """Where models lie in it."""
    postgres_storage_gib: int
    redis_nodes: int
    """1, or an even number from 6: half of them primaries, each with a replica."""
    tags: Tags
    protect: bool
    """Whether destroying the stack stops at what cannot be made again: keys, models, databases, images, address."""
    postgres_password: pulumi.Input[str] | None = None
    """A secret. None: it is made."""
    configuration_prefix: str = "configuration"
    """Where configuration lies beside them."""
    store_kind: StoreKind = StoreKind.GCS
    """Or NFS: on Filestore, or on a server that exists."""
    in_cluster: bool = False
    """Whether storage classes are made in the cluster, whose API has to be in reach then."""

    @property
    def makes_files(self) -> bool:
        """Whether models lie on a Filestore instance that is made."""
        return self.store_kind is StoreKind.NFS and self.bucket is None


class GcpRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Pass the region's provider as `providers`. Its project has these APIs: artifactregistry, cloudkms,
    cloudresourcemanager, compute, container, containerscanning, iam, networkconnectivity, redis, secretmanager,
    servicenetworking, serviceusage, sqladmin and storage (each with `.googleapis.com`); with Filestore also file.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    cluster: GkeCluster
    store: GcpModelStore | None
    """None: models lie in files."""
    files: GcpSharedFiles | None
    """Filestore."""
    ingress_address: pulumi.Output[str]
    outputs: dict[str, pulumi.Output[str]]
    """Those of `novacron_infra.outputs.RegionOutputs`."""

    def __init__(self, name: str, args: GcpRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse(_problems(name, args))
        super().__init__("novacron:index:GcpRegion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        region, tags, protect = args.region, args.tags, args.protect
        keys = GcpKeys(
            name,
            GcpKeysArgs(
                location=region,
                tags=tags,
                filestore=args.makes_files,
                databases=True,
                registry=True,
                protect=protect,
            ),
            child,
        )
        storage_key = keys.key_id(KeyUse.STORAGE)
        network = GcpNetwork(name, GcpNetworkArgs(region=region, cidr=args.network, tags=tags), child)
        self.cluster = GkeCluster(
            name,
            GkeClusterArgs(
                region=region,
                zones=args.zones,
                kubernetes_version=args.kubernetes_version,
                network_id=network.network_id,
                subnet_id=network.subnet_id,
                secrets_key_id=keys.key_id(KeyUse.CLUSTER),
                public_cidrs=args.public_networks,
                filestore=args.makes_files,
                tags=tags,
                protect=protect,
            ),
            child,
        )
        self._grant_admins(name, args)
        fabrics = self._fabrics(name, args, network)
        pools = [
            GkeNodePool(
                f"{name}-{pool}",
                GkeNodePoolArgs(
                    shape=shape,
                    region=region,
                    cluster_name=self.cluster.name,
                    node_account_email=self.cluster.node_account_email,
                    disk_key_id=storage_key,
                    tags=tags,
                    pool=pool,
                    fabric_interfaces=fabrics.get(pool, ()),
                ),
                child,
            )
            for pool, shape in args.pools.items()
        ]
        if args.in_cluster:
            self._declare_in_cluster(name, args, storage_key, pools)
        self.store = self._bucket(name, args, storage_key) if args.store_kind is StoreKind.GCS else None
        self.files = self._files(name, args, network, storage_key) if args.makes_files else None
        postgres = GcpPostgres(
            f"{name}-postgres",
            GcpPostgresArgs(
                instance_class=POSTGRES_CLASS,
                region=region,
                storage_gib=args.postgres_storage_gib,
                network_id=network.services_network_id,
                key_id=storage_key,
                password=args.postgres_password,
                tags=tags,
                protect=protect,
            ),
            child,
        )
        clustered = args.redis_nodes > 1
        redis = GcpRedis(
            f"{name}-redis",
            GcpRedisArgs(
                node_type=REDIS_TYPE,
                region=region,
                shards=args.redis_nodes // 2 if clustered else 1,
                replicas_per_shard=1 if clustered else 0,
                network_id=network.network_id,
                subnet_id=network.subnet_id,
                key_id=storage_key,
                tags=tags,
            ),
            child,
        )
        workers, coordinators = self._pods(name, "llm-workers"), self._pods(name, "llm-coordinators")
        if self.store is not None:
            # Who mounts files needs no rights: the network lets the cluster's nodes in.
            self._grant_models(name, args, self.store, workers)
        self._grant_databases(name, args, coordinators, postgres)
        registry = GcpRegistry(
            f"{name}-images",
            GcpRegistryArgs(
                region=region,
                key_id=storage_key,
                repository=f"{tags.environment.lower()}-novacron",
                tags=tags,
                protect=protect,
            ),
            child,
        )
        ingress = GcpIngress(name, GcpIngressArgs(region=region, tags=tags, protect=protect), child)
        self.ingress_address = ingress.address
        self.outputs = {
            "platform": pulumi.Output.from_input(Platform.GCP.value),
            "cluster": self.cluster.name,
            "kubeconfig": self.cluster.kubeconfig,
            "ingress_address": self.ingress_address,
            "model_store": self._models(args),
            "worker_identity": workers.email,
            "coordinator_identity": coordinators.email,
            "postgres_endpoint": postgres.endpoint,
            "postgres_secret": postgres.secret_id,
            "redis_endpoint": redis.endpoint,
            "registry": registry.url,
        }
        self.register_outputs(self.outputs)

    def _bucket(self, name: str, args: GcpRegionArgs, key_id: pulumi.Output[str]) -> GcpModelStore:
        return GcpModelStore(
            f"{name}-models",
            GcpModelStoreArgs(
                bucket=args.bucket or "", region=args.region, key_id=key_id, tags=args.tags, protect=args.protect
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _files(self, name: str, args: GcpRegionArgs, network: GcpNetwork, key_id: pulumi.Output[str]) -> GcpSharedFiles:
        return GcpSharedFiles(
            f"{name}-models",
            GcpSharedFilesArgs(
                zone=args.zones[0],  # the workers'
                capacity_gib=FILESTORE_GIB,
                network_id=network.services_network_id,
                key_id=key_id,
                tags=args.tags,
                protect=args.protect,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _models(self, args: GcpRegionArgs) -> pulumi.Output[str]:
        """Where models lie, as a URL."""
        if self.store is not None:
            return self.store.url.apply(lambda url: store_url(url, args.prefix))
        export = self.files.export if self.files is not None else pulumi.Output.from_input(args.bucket or "")
        return export.apply(lambda export: store_url(nfs_address(export), args.prefix))

    def _fabrics(self, name: str, args: GcpRegionArgs, network: GcpNetwork) -> dict[str, tuple[FabricInterface, ...]]:
        """Each pool's interfaces, if it has a fabric: in addresses of its own, since the cluster has them all."""
        pools = {pool: shape for pool, shape in args.pools.items() if shape.fabric is not None}
        cidrs = IPv4Network(network.fabric_cidr).subnets(prefixlen_diff=max(len(pools) - 1, 0).bit_length())
        return {
            pool: GcpFabric(
                f"{name}-{pool}",
                GcpFabricArgs(
                    machine=shape.machine, region=args.region, zone=next(iter(shape.zones), ""), cidr=str(next(cidrs))
                ),
                pulumi.ResourceOptions(parent=self),
            ).interfaces
            for pool, shape in pools.items()
        }

    def _declare_in_cluster(
        self, name: str, args: GcpRegionArgs, key_id: pulumi.Input[str], pools: list[GkeNodePool]
    ) -> None:
        # Imported here: who wants none of it does not load the SDK of Kubernetes.
        from novacron_infra.cluster_base import ClusterBase, ClusterBaseArgs
        from novacron_infra.gcp.in_cluster import FORMER_DEFAULT, volume_classes

        ClusterBase(
            f"{name}-in-cluster",
            ClusterBaseArgs(
                kubeconfig=self.cluster.kubeconfig,
                volume_classes=volume_classes(args.pools.values(), key_id),
                former_default=FORMER_DEFAULT,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[self.cluster, *pools]),
        )

    def _pods(self, name: str, service_account: str) -> GkePodAccount:
        return GkePodAccount(
            f"{name}-{service_account}",
            GkePodAccountArgs(
                workload_pool=self.cluster.workload_pool, namespace=NAMESPACE, service_account=service_account
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _grant_admins(self, name: str, args: GcpRegionArgs) -> None:
        for index, admin in enumerate(args.admins):
            gcp.projects.IAMMember(
                f"{name}-admin-{index}",
                project=args.project,
                role="roles/container.admin",
                member=admin,
                # The role is the project's. A condition makes the grant this region's: when the region goes, those of
                # other regions stay.
                condition=gcp.projects.IAMMemberConditionArgs(title=name, expression=_ALWAYS),
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _grant_models(self, name: str, args: GcpRegionArgs, store: GcpModelStore, workers: GkePodAccount) -> None:
        gcp.storage.BucketIAMMember(
            f"{name}-reads-models",
            bucket=store.bucket.name,
            role="roles/storage.objectViewer",
            member=workers.member,
            condition=gcp.storage.BucketIAMMemberConditionArgs(
                title="models", expression=in_folders(args.bucket or "", args.prefix, args.configuration_prefix)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _grant_databases(
        self, name: str, args: GcpRegionArgs, coordinators: GkePodAccount, postgres: GcpPostgres
    ) -> None:
        child = pulumi.ResourceOptions(parent=self)
        gcp.secretmanager.SecretIamMember(
            f"{name}-reads-login",
            secret_id=postgres.secret_id,
            role="roles/secretmanager.secretAccessor",
            member=coordinators.member,
            opts=child,
        )
        gcp.projects.IAMMember(
            f"{name}-uses-redis",
            project=args.project,
            role="roles/redis.dbConnectionUser",
            member=coordinators.member,
            opts=child,
        )


def _problems(name: str, args: GcpRegionArgs) -> list[Problem]:
    found: list[Problem] = []
    if not _PROJECT.fullmatch(args.project):
        rule, fix = "no project has such an id", "Write its id, not its name or number"
        found.append(Problem(f"{name}.project", args.project, rule, fix))
    for index, admin in enumerate(args.admins):
        if not _ADMIN.fullmatch(admin):
            rule, fix = "IAM grants nothing to it", "Write it as user:, group: or serviceAccount: and an address"
            found.append(Problem(f"{name}.admins.{index}", admin, rule, fix))
    return found
