"""A region on AWS: keys, network, cluster, node pools, ingress, model store, databases and registry.

The plan decides how many nodes of which machine there are. Connections between regions are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from novacron_infra.aws.addons import EksAddons, EksAddonsArgs
from novacron_infra.aws.checks import require_store
from novacron_infra.aws.identity import EksPodRole, EksPodRoleArgs, render_reads_models
from novacron_infra.aws.ingress import AwsIngress, AwsIngressArgs
from novacron_infra.aws.keys import KeyUse
from novacron_infra.aws.network import AwsNetworkIds
from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs
from novacron_infra.aws.region_cluster import RegionCluster, declare_cluster
from novacron_infra.aws.region_databases import RegionDatabasesArgs, declare_postgres, declare_redis
from novacron_infra.aws.region_parts import declare_files, declare_keys, declare_network, declare_registry, find_bucket
from novacron_infra.aws.storage import ACCESS_LOG_DAYS, AwsBucket, AwsEfs, AwsModelStore, AwsModelStoreArgs
from novacron_infra.aws.threat_detection import AwsThreatDetection, AwsThreatDetectionArgs
from novacron_infra.config import AddOn, Platform
from novacron_infra.known_args import check_known_args
from novacron_infra.pools import NodePoolShape
from novacron_infra.regions import RegionResults, RegionSpec
from novacron_infra.stores import (
    AwsStore,
    ExistingEfsStore,
    ExistingS3Store,
    NewEfsStore,
    NfsStore,
    S3Store,
    make_nfs_address,
    make_store_url,
)
from novacron_infra.workloads.names import WORKER_SERVICE_ACCOUNT, find_worker_namespace
from novacron_infra.workloads.serving_args import RegionStack

if TYPE_CHECKING:
    from novacron_infra.workloads.cluster_add_ons import PreparedCluster


@dataclass(frozen=True, kw_only=True, slots=True)
class DevicePluginImages:
    """Images of the plugins that tell the kubelet of devices."""

    nvidia: str
    efa: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRegionArgs:
    """A region on AWS."""

    spec: RegionSpec
    redis_password: pulumi.Input[str]
    """A secret of 16 to 128 characters."""
    account_id: str | None = None
    """None: the component asks the region's STS, which fails while the region is down."""
    device_plugins: DevicePluginImages | None = None
    """Needed with `spec.add_ons`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRegionResults(RegionResults):
    """Results of a region on AWS for the rest of the stack."""

    target_group_arn: pulumi.Output[str]


class AwsRegion(pulumi.ComponentResource):
    """A region that serves by itself: nothing in it refers to another region.

    Pass the region's provider as `providers`.

    Raises:
        ArgumentError: with everything that one of its parts refuses.
    """

    spec: RegionSpec
    cluster: RegionCluster
    store: AwsModelStore | None
    """None: the models are in a file system, or in a bucket that exists."""
    bucket: AwsBucket | None
    """Bucket of the models. None: they are in a file system."""
    files: AwsEfs | None
    """EFS."""
    storage_key_arn: pulumi.Output[str]
    ingress_address: pulumi.Output[str]
    """Host name of the load balancer."""
    serving: RegionStack | None
    """The serving stack. None without `spec.serving`."""
    results: AwsRegionResults

    def __init__(self, name: str, args: AwsRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        self.spec = spec = args.spec
        store = require_store(name, spec, has_plugins=args.device_plugins is not None)
        self._account_id = args.account_id
        super().__init__("novacron:index:AwsRegion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, protect = spec.tags, spec.protect
        keys = declare_keys(name, spec, args.account_id, child)
        self.storage_key_arn = keys[KeyUse.STORAGE]
        network = declare_network(name, spec, keys[KeyUse.LOGS], args.account_id, child)
        self.cluster = declare_cluster(name, spec, network, keys, args.account_id, child)
        pools = {
            pool: EksNodePool(f"{name}-{pool}", self._pool(shape, spec, network), child)
            for pool, shape in spec.pools.items()
        }
        if self.cluster.created is not None:
            EksAddons(
                name,
                EksAddonsArgs(
                    cluster_name=self.cluster.name,
                    tags=tags,
                    efs=isinstance(store, NewEfsStore | ExistingEfsStore),
                    account_id=args.account_id,
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[pools["coordinators"]]),
            )
        threats = self._declare_threat_detection(name, spec, keys[KeyUse.LOGS], network, pools["coordinators"])
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
        prepared = None
        if spec.add_ons and args.device_plugins is not None:
            prepared = self._declare_add_ons(
                name, spec, args.device_plugins, network, ingress, pools, keys[KeyUse.LOGS]
            )
        model_store = self._declare_store(name, spec, store, network)
        worker_role = EksPodRole(
            f"{name}-{WORKER_SERVICE_ACCOUNT}",
            EksPodRoleArgs(
                cluster_name=self.cluster.name,
                namespace=find_worker_namespace(spec.serving is not None),
                service_account=WORKER_SERVICE_ACCOUNT,
                # Mounted files need no rights: the network admits the cluster's nodes.
                policy=pulumi.Output.all(
                    bucket_arn=self.bucket.arn,
                    key_arn=self.bucket.key_arn,
                    prefixes=[spec.models_prefix, spec.configuration_prefix],
                ).apply(render_reads_models)
                if self.bucket
                else None,
                tags=tags,
                account_id=args.account_id,
            ),
            child,
        )
        databases = RegionDatabasesArgs(
            spec=spec,
            network=network,
            client_security_group_id=self.cluster.security_group_id,
            key_arn=self.storage_key_arn,
            redis_password=args.redis_password,
            account_id=args.account_id,
        )
        postgres, redis = declare_postgres(name, databases, child), declare_redis(name, databases, child)
        registry = declare_registry(name, spec, self.storage_key_arn, args.account_id, child)
        self.serving = None
        if spec.serving is not None and prepared is not None:
            # Imported here, so that programs without the serving stack do not load the Kubernetes SDK.
            from novacron_infra.aws.serving import AwsServingArgs, declare_cloud_services
            from novacron_infra.workloads.region_serving import declare_region_serving

            services = declare_cloud_services(
                name,
                AwsServingArgs(
                    spec=spec,
                    cluster=self.cluster,
                    postgres=postgres,
                    redis=redis,
                    redis_password=args.redis_password,
                    ingress=ingress,
                    registry=registry.prefix,
                    model_store=model_store,
                    files=self.files,
                    key_arn=self.storage_key_arn,
                ),
                child,
            )
            # A pod has credentials only if its service account has a role when the pod starts.
            after_role = pulumi.ResourceOptions(depends_on=[worker_role])
            opts = pulumi.ResourceOptions.merge(prepared.deploy_as(self), after_role)
            self.serving = declare_region_serving(name, spec.serving, services, opts)
        self.results = AwsRegionResults(
            platform=Platform.AWS,
            cluster=self.cluster.name,
            kubeconfig=self.cluster.kubeconfig,
            ingress_address=self.ingress_address,
            model_store=model_store,
            worker_identity=worker_role.role_arn,
            postgres_endpoint=postgres.endpoint,
            postgres_secret=postgres.secret_arn,
            redis_endpoint=redis.endpoint,
            registry=registry.url,
            target_group_arn=ingress.target_group_arn,
            endpoint=self.serving.endpoint if self.serving else None,
            namespace=self.serving.namespace if self.serving else None,
            threat_alerts=threats.topic_arn if threats else None,
        )
        self.register_outputs(self.results.export())

    def _declare_store(
        self, name: str, spec: RegionSpec, store: AwsStore, network: AwsNetworkIds
    ) -> pulumi.Output[str]:
        """Declare the model store, and return the URL of the models."""
        child = pulumi.ResourceOptions(parent=self)
        self.store, self.bucket, self.files = None, None, None
        if isinstance(store, NfsStore):
            return pulumi.Output.from_input(make_store_url(make_nfs_address(store.export), spec.models_prefix))
        if isinstance(store, ExistingS3Store):
            self.bucket = find_bucket(store, child)
            return pulumi.Output.from_input(make_store_url(f"s3://{store.bucket}", spec.models_prefix))
        if isinstance(store, S3Store):
            self.store = AwsModelStore(
                f"{name}-models",
                AwsModelStoreArgs(
                    bucket=store.bucket,
                    key_arn=self.storage_key_arn,
                    tags=spec.tags,
                    protect=spec.protect,
                    access_log_days=ACCESS_LOG_DAYS if spec.audit.model_access else 0,
                    account_id=self._account_id,
                ),
                child,
            )
            self.bucket = AwsBucket(name=store.bucket, arn=self.store.bucket_arn, key_arn=self.storage_key_arn)
            return self.store.bucket.bucket.apply(lambda bucket: make_store_url(f"s3://{bucket}", spec.models_prefix))
        group_id = self.cluster.security_group_id
        self.files = declare_files(name, spec, store, network, group_id, self.storage_key_arn, child)
        return self.files.file_system_id.apply(lambda id_: make_store_url(f"efs://{id_}", spec.models_prefix))

    def _declare_threat_detection(
        self, name: str, spec: RegionSpec, logs_key_arn: pulumi.Output[str], network: AwsNetworkIds, pool: EksNodePool
    ) -> AwsThreatDetection | None:
        settings = spec.threat_detection
        if settings is None:
            return None
        return AwsThreatDetection(
            name,
            AwsThreatDetectionArgs(
                region=spec.region,
                detector=settings.detector,
                cluster_name=self.cluster.name if self.cluster.created else None,
                vpc_id=network.vpc_id,
                vpc_cidr=spec.network,
                subnet_ids=network.private_subnet_ids,
                key_arn=logs_key_arn,
                tags=spec.tags,
                minimum_severity=settings.minimum_severity,
                alert_emails=settings.alert_emails,
            ),
            # The agent needs nodes.
            pulumi.ResourceOptions(parent=self, depends_on=[pool]),
        )

    def _pool(self, shape: NodePoolShape, spec: RegionSpec, network: AwsNetworkIds) -> EksNodePoolArgs:
        return EksNodePoolArgs(
            shape=shape,
            cluster_name=self.cluster.name,
            cluster_security_group_id=self.cluster.security_group_id,
            kubernetes_version=self.cluster.kubernetes_version,
            subnet_ids=network.private_subnet_ids,
            disk_key_arn=self.storage_key_arn,
            tags=spec.tags,
            fabric_security_group_id=network.fabric_security_group_id,
        )

    def _declare_add_ons(
        self,
        name: str,
        spec: RegionSpec,
        images: DevicePluginImages,
        network: AwsNetworkIds,
        ingress: AwsIngress,
        pools: dict[str, EksNodePool],
        logs_key_arn: pulumi.Output[str],
    ) -> PreparedCluster:
        # Imported here, so that programs without add-ons do not load the Kubernetes SDK.
        from novacron_infra.aws.cluster_add_ons import (
            declare_controller_role,
            describe_charts,
            list_device_plugins,
            list_volume_classes,
        )
        from novacron_infra.aws.container_logs import declare_container_logs, make_group_name
        from novacron_infra.workloads.add_ons.container_logs import CloudWatchLogs
        from novacron_infra.workloads.add_ons.load_balancer_controller import AwsCluster
        from novacron_infra.workloads.cluster_add_ons import ClusterAddOnsArgs, declare_cluster_add_ons

        cluster = AwsCluster(name=self.cluster.name, region=spec.region, vpc_id=network.vpc_id)
        child = pulumi.ResourceOptions(parent=self)
        # A pod has credentials only if its service account has a role when the pod starts: roles are here too.
        needed: list[pulumi.Resource] = [*pools.values()]
        if self.cluster.created is not None:
            needed.append(self.cluster.created)
        if spec.charts and spec.charts.add_ons.load_balancer_controller is AddOn.INSTALL:
            role = declare_controller_role(
                name, self.cluster.name, ingress.target_group_arn, spec.tags, self._account_id, child
            )
            needed.append(role)
        log_group = None
        if spec.cloud_logs:
            logs = declare_container_logs(name, self.cluster.name, logs_key_arn, spec.tags, self._account_id, child)
            needed.append(logs)
            log_group = CloudWatchLogs(region=spec.region, log_group=make_group_name(name))
        return declare_cluster_add_ons(
            name,
            self.cluster.kubeconfig,
            ClusterAddOnsArgs(
                volume_classes=list_volume_classes(self.storage_key_arn),
                device_plugins=list_device_plugins(
                    spec.pools.values(), None if self._has_gpu_operator(spec) else images.nvidia, images.efa
                ),
                charts=describe_charts(spec.charts, cluster, log_group) if spec.charts else None,
                default_class=self.cluster.created is not None,
            ),
            parent=self,
            depends_on=needed,
        )

    def _has_gpu_operator(self, spec: RegionSpec) -> bool:
        """Whether the cluster brings NVIDIA's device plugin: one that is created does not."""
        add_ons = spec.charts.add_ons if spec.charts else None
        return self.cluster.created is None and add_ons is not None and add_ons.gpu_stack is AddOn.EXISTING
