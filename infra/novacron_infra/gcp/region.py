"""A region on Google Cloud: keys, network, cluster, node pools, ingress, model store, databases and registry.

The plan decides how many nodes of which machine there are. Connections between regions are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud
from novacron_infra.config import Platform
from novacron_infra.errors import ArgumentError, Problem, raise_problems
from novacron_infra.gcp.identity import GkePodAccount, GkePodAccountArgs, render_folder_condition
from novacron_infra.gcp.ingress import GcpIngress, GcpIngressArgs
from novacron_infra.gcp.keys import KeyUse
from novacron_infra.gcp.network import GcpNetworkIds
from novacron_infra.gcp.node_pool import GkeNodePool, GkeNodePoolArgs
from novacron_infra.gcp.region_cluster import RegionCluster, declare_cluster
from novacron_infra.gcp.region_databases import RegionPostgres, declare_postgres, declare_redis
from novacron_infra.gcp.region_parts import declare_fabrics, declare_keys, declare_network, declare_registry
from novacron_infra.gcp.storage import GcpFilestore, GcpFilestoreArgs, GcpModelStore, GcpModelStoreArgs
from novacron_infra.gcp.threat_detection import GcpThreatAlerts, GcpThreatAlertsArgs
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.identities import check_admins, check_project
from novacron_infra.regions import RegionResults, RegionSpec
from novacron_infra.stores import (
    FILESTORE_GIB,
    ExistingGcsStore,
    GcpStore,
    GcsStore,
    NfsStore,
    make_nfs_address,
    make_store_url,
)
from novacron_infra.workloads.names import (
    COORDINATOR_SERVICE_ACCOUNT,
    NAMESPACE,
    WORKER_SERVICE_ACCOUNT,
    find_worker_namespace,
)
from novacron_infra.workloads.serving_args import RegionStack

if TYPE_CHECKING:
    from novacron_infra.workloads.cluster_add_ons import PreparedCluster

_ALWAYS = 'request.time > timestamp("2026-01-01T00:00:00Z")'


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpRegionArgs:
    """A region on Google Cloud."""

    spec: RegionSpec
    project: str
    """Id of the provider's project, not its number."""
    postgres_password: pulumi.Input[str] | None = None
    """A secret. None: it is generated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpRegionResults(RegionResults):
    """Results of a region on Google Cloud for the rest of the stack."""

    coordinator_identity: pulumi.Output[str]


class GcpRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Pass the region's provider as `providers`. Its project has these APIs: artifactregistry, cloudkms,
    cloudresourcemanager, compute, container, containerscanning, iam, networkconnectivity, redis, secretmanager,
    servicenetworking, serviceusage, sqladmin and storage (each with `.googleapis.com`); with Filestore also file,
    with threat detection also monitoring, pubsub and securitycenter.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    spec: RegionSpec
    cluster: RegionCluster
    store: GcpModelStore | None
    """None: the models are in a file system, or in a bucket that exists."""
    bucket_name: pulumi.Input[str] | None
    """Bucket of the models. None: they are in a file system."""
    files: GcpFilestore | None
    """Filestore."""
    ingress_address: pulumi.Output[str]
    serving: RegionStack | None
    """The serving stack. None without `spec.serving`."""
    results: GcpRegionResults

    def __init__(self, name: str, args: GcpRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        self.spec = spec = args.spec
        store = _require_store(name, args)
        super().__init__("novacron:index:GcpRegion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        region, tags, protect = spec.region, spec.tags, spec.protect
        # The project has one configuration of alerts, in the first region.
        threats = spec.threat_detection if spec.threat_detection and spec.threat_detection.first_region else None
        keys = declare_keys(name, spec, child)
        storage_key = keys[KeyUse.STORAGE]
        network = declare_network(name, spec, child)
        self.cluster = declare_cluster(name, spec, network, keys, args.project, child)
        if self.cluster.created is not None:
            self._grant_admins(name, args)
        fabrics = declare_fabrics(name, spec, network.fabric_cidr, child)
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
            for pool, shape in spec.pools.items()
        ]
        prepared = None
        if spec.add_ons:
            prepared = self._declare_add_ons(name, spec, storage_key, pools)
        model_store = self._declare_store(name, store, network, storage_key)
        postgres = declare_postgres(name, spec, network, storage_key, args.postgres_password, child)
        redis = declare_redis(name, spec, network, storage_key, child)
        workers = self._pods(name, find_worker_namespace(spec.serving is not None), WORKER_SERVICE_ACCOUNT)
        coordinators = self._pods(name, NAMESPACE, COORDINATOR_SERVICE_ACCOUNT)
        if isinstance(store, GcsStore | ExistingGcsStore) and self.bucket_name is not None:
            # Mounted files need no rights: the network admits the cluster's nodes.
            self._grant_models(name, store.bucket, self.bucket_name, workers)
        self._grant_databases(name, args, coordinators, postgres)
        registry = declare_registry(name, spec, args.project, storage_key, child)
        alerts = None
        if threats is not None:
            alerts = GcpThreatAlerts(
                name,
                GcpThreatAlertsArgs(
                    project=args.project,
                    region=region,
                    key_id=storage_key,
                    tags=tags,
                    minimum_severity=threats.minimum_severity,
                    alert_emails=threats.alert_emails,
                ),
                child,
            )
        ingress = GcpIngress(name, GcpIngressArgs(region=region, tags=tags, protect=protect), child)
        self.ingress_address = ingress.address
        self.serving = None
        if spec.serving is not None and prepared is not None:
            # Imported here, so that programs without the serving stack do not load the Kubernetes SDK.
            from novacron_infra.gcp.serving import GcpServingArgs, describe_cloud_services
            from novacron_infra.workloads.region_serving import declare_region_serving

            services = describe_cloud_services(
                GcpServingArgs(
                    spec=spec,
                    project=args.project,
                    cluster=self.cluster,
                    workers=workers,
                    coordinators=coordinators,
                    postgres=postgres,
                    redis=redis,
                    ingress=ingress,
                    registry=registry.prefix,
                    model_store=model_store,
                    files=self.files,
                )
            )
            self.serving = declare_region_serving(name, spec.serving, services, prepared.deploy_as(self))
        self.results = GcpRegionResults(
            platform=Platform.GCP,
            cluster=self.cluster.name,
            kubeconfig=self.cluster.kubeconfig,
            ingress_address=self.ingress_address,
            model_store=model_store,
            worker_identity=workers.email,
            coordinator_identity=coordinators.email,
            postgres_endpoint=postgres.endpoint,
            postgres_secret=postgres.secret_id,
            redis_endpoint=redis.endpoint,
            registry=registry.url,
            endpoint=self.serving.endpoint if self.serving else None,
            namespace=self.serving.namespace if self.serving else None,
            threat_alerts=alerts.topic_id if alerts else None,
        )
        self.register_outputs(self.results.export())

    def _declare_store(
        self, name: str, store: GcpStore, network: GcpNetworkIds, key_id: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        """Declare the model store, and return the URL of the models."""
        spec, child = self.spec, pulumi.ResourceOptions(parent=self)
        self.store, self.bucket_name, self.files = None, None, None
        if isinstance(store, NfsStore):
            return pulumi.Output.from_input(make_store_url(make_nfs_address(store.export), spec.models_prefix))
        if isinstance(store, ExistingGcsStore):
            self.bucket_name = store.bucket
            return pulumi.Output.from_input(make_store_url(f"gs://{store.bucket}", spec.models_prefix))
        if isinstance(store, GcsStore):
            self.store = GcpModelStore(
                f"{name}-models",
                GcpModelStoreArgs(
                    bucket=store.bucket, region=spec.region, key_id=key_id, tags=spec.tags, protect=spec.protect
                ),
                child,
            )
            self.bucket_name = self.store.bucket.name
            return self.store.url.apply(lambda url: make_store_url(url, spec.models_prefix))
        self.files = GcpFilestore(
            f"{name}-models",
            GcpFilestoreArgs(
                zone=spec.zones[0],  # the workers'
                capacity_gib=FILESTORE_GIB,
                network_id=network.services_network_id,
                key_id=key_id,
                tags=spec.tags,
                protect=spec.protect,
            ),
            child,
        )
        return self.files.export.apply(lambda export: make_store_url(make_nfs_address(export), spec.models_prefix))

    def _declare_add_ons(
        self, name: str, spec: RegionSpec, key_id: pulumi.Input[str], pools: list[GkeNodePool]
    ) -> PreparedCluster:
        # Imported here, so that programs without add-ons do not load the Kubernetes SDK.
        from novacron_infra.gcp.cluster_add_ons import FORMER_DEFAULT, describe_charts, list_volume_classes
        from novacron_infra.workloads.cluster_add_ons import ClusterAddOnsArgs, declare_cluster_add_ons

        return declare_cluster_add_ons(
            name,
            self.cluster.kubeconfig,
            ClusterAddOnsArgs(
                volume_classes=list_volume_classes(spec.pools.values(), key_id),
                former_default=FORMER_DEFAULT,
                charts=describe_charts(spec.charts) if spec.charts else None,
                default_class=self.cluster.created is not None,
            ),
            parent=self,
            depends_on=[*([self.cluster.created] if self.cluster.created else []), *pools],
        )

    def _pods(self, name: str, namespace: str, service_account: str) -> GkePodAccount:
        return GkePodAccount(
            f"{name}-{service_account}",
            GkePodAccountArgs(
                workload_pool=self.cluster.workload_pool, namespace=namespace, service_account=service_account
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _grant_admins(self, name: str, args: GcpRegionArgs) -> None:
        for index, admin in enumerate(args.spec.admins):
            gcp.projects.IAMMember(
                f"{name}-admin-{admin}",
                project=args.project,
                role="roles/container.admin",
                member=admin,
                # The role is the project's. A condition makes the grant this region's: when the region goes, those of
                # other regions stay.
                condition=gcp.projects.IAMMemberConditionArgs(title=name, expression=_ALWAYS),
                # The name had the position in the list before. A new grant and the removal of the old one would
                # leave no grant, because both are the same.
                opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=f"{name}-admin-{index}")]),
            )

    def _grant_models(self, name: str, bucket: str, bucket_name: pulumi.Input[str], workers: GkePodAccount) -> None:
        gcp.storage.BucketIAMMember(
            f"{name}-reads-models",
            bucket=bucket_name,
            role="roles/storage.objectViewer",
            member=workers.member,
            condition=gcp.storage.BucketIAMMemberConditionArgs(
                title="models",
                expression=render_folder_condition(bucket, self.spec.models_prefix, self.spec.configuration_prefix),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _grant_databases(
        self, name: str, args: GcpRegionArgs, coordinators: GkePodAccount, postgres: RegionPostgres
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


def _require_store(name: str, args: GcpRegionArgs) -> GcpStore:
    """Return the region's model store. Raise ArgumentError with every argument that Google Cloud would reject."""
    found = [
        *check_project(f"{name}.project", args.project),
        *check_admins(f"{name}.admins", args.spec.admins, Cloud.GCP),
    ]
    store = args.spec.store
    if isinstance(store, GcpStore):
        raise_problems(found)
        return store
    rule, fix = "Google Cloud has no such model store", "Use GcsStore, ExistingGcsStore, ManagedNfsStore or NfsStore"
    raise ArgumentError([*found, Problem(f"{name}.store", type(store).__name__, rule, fix)])
