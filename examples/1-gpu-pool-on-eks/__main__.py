"""GPU workers for an EKS cluster that another program created."""

import pulumi
import pulumi_aws as aws
from novacron_infra import FabricKind, NodePoolShape, NodeRole, Placement, Tags
from novacron_infra.aws import EksNodePool, EksNodePoolArgs

config = pulumi.Config()
zone = config.require("zone")

pool = EksNodePool(
    "gpu",
    EksNodePoolArgs(
        shape=NodePoolShape(
            role=NodeRole.WORKER,
            machine="p5.48xlarge",
            nodes=config.require_int("nodes"),
            zones=(zone,),
            fabric=FabricKind.EFA,
            placement=Placement.CLUSTER,
        ),
        cluster_name=config.require("cluster"),
        cluster_security_group_id=config.require("cluster_security_group"),
        kubernetes_version="1.35",
        subnet_ids={zone: config.require("subnet")},
        disk_key_arn=config.require("disk_key"),
        fabric_security_group_id=config.require("fabric_security_group"),
        tags=Tags(environment=pulumi.get_stack(), more={"Owner": "research"}),
    ),
    pulumi.ResourceOptions(providers=[aws.Provider("aws", region=zone[:-1])]),
)

pulumi.export("node_role_arn", pool.node_role_arn)
