"""GPUs on Amazon for other programs: a pool for an EKS cluster that exists, and a whole region."""

from typing import TypedDict

import pulumi
from typing_extensions import NotRequired

from novacron_infra.aws.node_pool import EksNodePool, EksNodePoolArgs
from novacron_infra.aws.region import AwsRegion, AwsRegionArgs
from novacron_infra.importable.plain import settled
from novacron_infra.importable.pools import PoolShape, TagsArgs, node_pool_shape, tags_of
from novacron_infra.pools import NodeRole


class EksGpuPoolArgs(TypedDict):
    """A pool, and the cluster that it joins."""

    shape: PoolShape
    """Which nodes."""
    cluster_name: pulumi.Input[str]
    """Of a cluster that exists, with access entries for nodes: authentication mode API."""
    cluster_security_group_id: pulumi.Input[str]
    """The group that EKS made for the cluster; the nodes are in it."""
    kubernetes_version: str
    """Minor version of the nodes, such as 1.34."""
    subnet_ids: dict[str, pulumi.Input[str]]
    """Private subnets by zone; every zone of the shape has one."""
    disk_key_arn: pulumi.Input[str]
    """The KMS key of the nodes' disks; its policy lets Auto Scaling use it."""
    fabric_security_group_id: NotRequired[pulumi.Input[str]]
    """Needed with a fabric: a group whose members reach each other without limit in both directions."""
    tags: TagsArgs
    """Of every resource."""


class EksGpuPool(pulumi.ComponentResource):
    """GPU workers on an EKS cluster that exists: template, role, and one managed node group or, with spot, two."""

    node_role_arn: pulumi.Output[str]
    """The role of the nodes."""

    def __init__(self, name: str, args: EksGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = settled(name, EksGpuPoolArgs, args)
        super().__init__("novacron:index:EksGpuPool", name, None, opts)
        pool = EksNodePool(
            name,
            EksNodePoolArgs(
                shape=node_pool_shape(args["shape"], NodeRole.WORKER),
                cluster_name=args["cluster_name"],
                cluster_security_group_id=args["cluster_security_group_id"],
                kubernetes_version=args["kubernetes_version"],
                subnet_ids=args["subnet_ids"],
                disk_key_arn=args["disk_key_arn"],
                fabric_security_group_id=args.get("fabric_security_group_id"),
                tags=tags_of(args["tags"]),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.node_role_arn = pool.node_role_arn
        self.register_outputs({"node_role_arn": self.node_role_arn})


class AwsGpuRegionArgs(TypedDict):
    """A region, from nothing."""

    region: str
    """Such as us-west-2; pass a provider of this region."""
    zones: list[str]
    """Two or three availability zones."""
    network: str
    """Private IPv4 network, such as 10.0.0.0/16."""
    kubernetes_version: str
    """Minor version, such as 1.34."""
    admins: list[str]
    """ARNs of the roles and users who administrate the cluster."""
    public_networks: NotRequired[list[str]]
    """From which the Kubernetes API is reached; none: it is private."""
    coordinators: PoolShape
    """Nodes of what answers requests and hands them out."""
    workers: dict[str, PoolShape]
    """Pools of GPU nodes, by name."""
    bucket: str
    """Of the model store: a name that nobody in the world has yet."""
    prefix: NotRequired[str]
    """Where models lie in it; models unless stated."""
    postgres_storage_gib: int
    """Of the database."""
    redis_nodes: int
    """1, or an even number from 6: half of them primaries, each with a replica."""
    redis_password: pulumi.Input[str]
    """A secret of 16 to 128 characters."""
    tags: TagsArgs
    """Of every resource."""
    protect: NotRequired[bool]
    """Whether destroying the stack stops at what cannot be made again; true unless stated."""


class AwsGpuRegion(pulumi.ComponentResource):
    """A region that serves by itself: keys, network, cluster, pools, front door, model store, databases, registry."""

    cluster_name: pulumi.Output[str]
    """Of the EKS cluster."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through the AWS CLI and holds no secret."""
    model_store: pulumi.Output[str]
    """Where models lie: s3://bucket/prefix."""
    worker_identity: pulumi.Output[str]
    """The role with which pods of workers read models."""
    postgres_endpoint: pulumi.Output[str]
    """Host and port."""
    postgres_secret: pulumi.Output[str]
    """The secret that has the user and the password."""
    redis_endpoint: pulumi.Output[str]
    """Host name."""
    registry: pulumi.Output[str]
    """What the names of images begin with."""
    ingress_address: pulumi.Output[str]
    """Host name of the front door."""
    target_group_arn: pulumi.Output[str]
    """What the pods of coordinators are put into."""

    def __init__(self, name: str, args: AwsGpuRegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = settled(name, AwsGpuRegionArgs, args)
        super().__init__("novacron:index:AwsGpuRegion", name, None, opts)
        workers = {pool: node_pool_shape(shape, NodeRole.WORKER) for pool, shape in args["workers"].items()}
        outputs = AwsRegion(
            name,
            AwsRegionArgs(
                region=args["region"],
                zones=tuple(args["zones"]),
                network=args["network"],
                kubernetes_version=args["kubernetes_version"],
                admins=tuple(args["admins"]),
                public_networks=tuple(args.get("public_networks", ())),
                pools={"coordinators": node_pool_shape(args["coordinators"], NodeRole.COORDINATOR), **workers},
                bucket=args["bucket"],
                prefix=args.get("prefix", "models"),
                postgres_storage_gib=args["postgres_storage_gib"],
                redis_nodes=args["redis_nodes"],
                redis_password=args["redis_password"],
                tags=tags_of(args["tags"]),
                protect=args.get("protect", True),
            ),
            pulumi.ResourceOptions(parent=self),
        ).outputs
        self.cluster_name = outputs["cluster"]
        self.kubeconfig = outputs["kubeconfig"]
        self.model_store = outputs["model_store"]
        self.worker_identity = outputs["worker_identity"]
        self.postgres_endpoint = outputs["postgres_endpoint"]
        self.postgres_secret = outputs["postgres_secret"]
        self.redis_endpoint = outputs["redis_endpoint"]
        self.registry = outputs["registry"]
        self.ingress_address = outputs["ingress_address"]
        self.target_group_arn = outputs["target_group_arn"]
        self.register_outputs({name: value for name, value in outputs.items() if name not in ("cluster", "platform")})
