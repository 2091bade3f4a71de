"""GPUs on AWS for other programs: a pool for an EKS cluster that exists, and a whole region."""

from dataclasses import replace
from typing import TypedDict

import pulumi
from typing_extensions import NotRequired

from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs
from novacron_infra.aws.region import AwsRegion, AwsRegionArgs, DevicePluginImages
from novacron_infra.config import Platform, StoreKind
from novacron_infra.config.problems import KEY
from novacron_infra.config.rules.model_store import check_store
from novacron_infra.errors import raise_problems
from novacron_infra.multi_language.known_inputs import check_known_inputs
from novacron_infra.multi_language.pools import PoolShape, TagsArgs, build_node_pool_shape, build_tags
from novacron_infra.networks import parse_networks
from novacron_infra.pools import NodeRole
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import RegionStore, make_store
from novacron_infra.zone_subnets import ZoneSubnets


class EksGpuPoolArgs(TypedDict):
    """A pool, and the cluster that it joins."""

    shape: PoolShape
    """Which nodes."""
    cluster_name: pulumi.Input[str]
    """Name of an existing cluster with access entries for nodes: authentication mode API."""
    cluster_security_group_id: pulumi.Input[str]
    """The group that EKS made for the cluster; the nodes are in it."""
    kubernetes_version: str
    """Minor version of the nodes, such as 1.35."""
    subnet_ids: dict[str, pulumi.Input[str]]
    """Private subnets by zone; every zone of the shape has one."""
    disk_key_arn: pulumi.Input[str]
    """The KMS key of the nodes' disks; its policy lets Auto Scaling use it."""
    fabric_security_group_id: NotRequired[pulumi.Input[str]]
    """Needed with a fabric: a group whose members reach each other without limit in both directions."""
    tags: TagsArgs
    """Tags of every resource."""


class EksGpuPool(pulumi.ComponentResource):
    """GPU workers on an EKS cluster that exists: template, role, and one managed node group or, with spot, two."""

    node_role_arn: pulumi.Output[str]
    """The role of the nodes."""

    def __init__(self, name: str, args: EksGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = check_known_inputs(name, EksGpuPoolArgs, args)
        super().__init__("novacron:index:EksGpuPool", name, None, opts)
        pool = EksNodePool(
            name,
            EksNodePoolArgs(
                shape=build_node_pool_shape(args["shape"], NodeRole.WORKER),
                cluster_name=args["cluster_name"],
                cluster_security_group_id=args["cluster_security_group_id"],
                kubernetes_version=args["kubernetes_version"],
                subnet_ids=args["subnet_ids"],
                disk_key_arn=args["disk_key_arn"],
                fabric_security_group_id=args.get("fabric_security_group_id"),
                tags=build_tags(args["tags"]),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.node_role_arn = pool.node_role_arn
        self.register_outputs({"node_role_arn": self.node_role_arn})


class DevicePluginImagesArgs(TypedDict):
    """Images of the device plugins, each with its digest."""

    nvidia: str
    """NVIDIA's device plugin."""
    efa: str
    """The device plugin of EFA."""


class ZoneNetworksArgs(TypedDict):
    """The networks of one zone."""

    nodes: str
    """Network of the zone's nodes and pods, a part of the region's network."""
    load_balancers: str
    """Network of the zone's load balancer and NAT gateway, another part of the region's network."""


class AwsGpuRegionArgs(TypedDict):
    """A region, from nothing."""

    region: str
    """Such as us-west-2; pass a provider of this region."""
    zones: list[str]
    """Two or three availability zones."""
    network: str
    """Private IPv4 network, such as 10.0.0.0/16."""
    zone_networks: NotRequired[dict[str, ZoneNetworksArgs]]
    """Networks of zones, by the zone's name. Default: each zone has the part of network that belongs to its letter."""
    control_plane_zones: NotRequired[list[str]]
    """Zones of the cluster's control plane, which AWS never extends. Default: zones."""
    kubernetes_version: str
    """Minor version, such as 1.35."""
    admins: list[str]
    """ARNs of the roles and users who administrate the cluster."""
    public_networks: NotRequired[list[str]]
    """From which the Kubernetes API is reached; none: it is private."""
    coordinators: PoolShape
    """Nodes of what answers requests and hands them out."""
    workers: dict[str, PoolShape]
    """Pools of GPU nodes, by name."""
    store_kind: NotRequired[StoreKind]
    """Kind of the model store: s3, efs or nfs. Default: s3."""
    bucket: NotRequired[str]
    """Name of the model store.
    s3: a bucket name that is unique in the world. nfs: server:/export. efs: id of an existing file system; without it,
    one is created."""
    replica: NotRequired[bool]
    """With efs: whether replication from another region may overwrite the new file system. Default: false."""
    prefix: NotRequired[str]
    """Folder of the models in the store. Default: models."""
    configuration_prefix: NotRequired[str]
    """Folder of the configuration in the store. Default: configuration."""
    account_id: NotRequired[str]
    """AWS account. Default: the region's STS is asked, which fails while the region is down."""
    add_ons: NotRequired[bool]
    """Whether storage classes and device plugins are created in the cluster, whose API must then be reachable.
    Default: false."""
    device_plugins: NotRequired[DevicePluginImagesArgs]
    """Needed with addOns."""
    postgres_storage_gib: int
    """Storage of the database in GiB."""
    redis_nodes: int
    """1, or an even number from 6: half of them primaries, each with a replica."""
    redis_password: pulumi.Input[str]
    """A secret of 16 to 128 characters."""
    tags: TagsArgs
    """Tags of every resource."""
    protect: NotRequired[bool]
    """Whether destroying the stack stops at what cannot be made again; true unless stated."""


class AwsGpuRegion(pulumi.ComponentResource):
    """A region that serves by itself: keys, network, cluster, pools, ingress, model store, databases, registry."""

    cluster_name: pulumi.Output[str]
    """Name of the EKS cluster."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through the AWS CLI and holds no secret."""
    model_store: pulumi.Output[str]
    """URL of the models, such as s3://bucket/prefix."""
    worker_identity: pulumi.Output[str]
    """The role with which pods of workers read models."""
    postgres_endpoint: pulumi.Output[str]
    """Host and port."""
    postgres_secret: pulumi.Output[str]
    """The secret that has the user and the password."""
    redis_endpoint: pulumi.Output[str]
    """Host name."""
    registry: pulumi.Output[str]
    """Prefix of image names in the registry."""
    ingress_address: pulumi.Output[str]
    """Host name of the load balancer."""
    target_group_arn: pulumi.Output[str]
    """ARN of the target group of the coordinators' pods."""

    def __init__(self, name: str, args: AwsGpuRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = check_known_inputs(name, AwsGpuRegionArgs, args)
        public = {f"{name}.public_networks.{index}": text for index, text in enumerate(args.get("public_networks", []))}
        networks = parse_networks({f"{name}.network": args["network"], **public})
        zone_networks = _zone_networks(name, args)
        super().__init__("novacron:index:AwsGpuRegion", name, None, opts)
        workers = {pool: build_node_pool_shape(shape, NodeRole.WORKER) for pool, shape in args["workers"].items()}
        images = args.get("device_plugins")
        results = AwsRegion(
            name,
            AwsRegionArgs(
                spec=RegionSpec(
                    region=args["region"],
                    zones=tuple(args["zones"]),
                    network=networks.pop(f"{name}.network"),
                    zone_networks=zone_networks,
                    control_plane_zones=tuple(args.get("control_plane_zones", ())),
                    kubernetes_version=args["kubernetes_version"],
                    admins=tuple(args["admins"]),
                    pools={
                        "coordinators": build_node_pool_shape(args["coordinators"], NodeRole.COORDINATOR),
                        **workers,
                    },
                    store=_store(name, args),
                    postgres_storage_gib=args["postgres_storage_gib"],
                    redis_nodes=args["redis_nodes"],
                    tags=build_tags(args["tags"]),
                    protect=args.get("protect", True),
                    public_networks=tuple(networks.values()),
                    models_prefix=args.get("prefix", "models"),
                    configuration_prefix=args.get("configuration_prefix", "configuration"),
                    add_ons=args.get("add_ons", False),
                ),
                redis_password=args["redis_password"],
                account_id=args.get("account_id"),
                device_plugins=None if images is None else DevicePluginImages(**images),
            ),
            pulumi.ResourceOptions(parent=self),
        ).results
        self.cluster_name = results.cluster
        self.kubeconfig = results.kubeconfig
        self.model_store = results.model_store
        self.worker_identity = results.worker_identity
        self.postgres_endpoint = results.postgres_endpoint
        self.postgres_secret = results.postgres_secret
        self.redis_endpoint = results.redis_endpoint
        self.registry = results.registry
        self.ingress_address = results.ingress_address
        self.target_group_arn = results.target_group_arn
        outputs = {name: value for name, value in results.export().items() if name not in ("cluster", "platform")}
        self.register_outputs(outputs)


def _zone_networks(name: str, args: AwsGpuRegionArgs) -> dict[str, ZoneSubnets]:
    given = args.get("zone_networks", {})
    path = f"{name}.zone_networks"
    networks = parse_networks(
        {
            f"{path}.{zone}.{use}": text
            for zone, stated in given.items()
            for use, text in (("nodes", stated["nodes"]), ("load_balancers", stated["load_balancers"]))
        }
    )
    return {
        zone: ZoneSubnets(
            nodes=networks[f"{path}.{zone}.nodes"], load_balancers=networks[f"{path}.{zone}.load_balancers"]
        )
        for zone in given
    }


def _store(name: str, args: AwsGpuRegionArgs) -> RegionStore:
    kind, bucket = args.get("store_kind", StoreKind.S3), args.get("bucket")
    # The configuration's rule writes paths below `novacron:environment`.
    problems = check_store("store_kind", "bucket", kind, bucket, Platform.AWS)
    raise_problems([replace(problem, path=f"{name}.{problem.path.removeprefix(f'{KEY}.')}") for problem in problems])
    return make_store(kind, bucket, replica=args.get("replica", False))
