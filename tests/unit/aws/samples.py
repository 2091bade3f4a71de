"""Components with good arguments, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
from novacron_infra.aws import (
    AwsKeys,
    AwsKeysArgs,
    AwsNetwork,
    AwsNetworkArgs,
    EksCluster,
    EksClusterArgs,
    EksNodePool,
    EksNodePoolArgs,
)
from novacron_infra.catalog import FabricKind
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
from novacron_infra.tags import Tags

REGION = "us-west-2"
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
TAGS = Tags(environment="prod")
KEYS = AwsKeysArgs(region=REGION, tags=TAGS)
NETWORK = AwsNetworkArgs(region=REGION, zones=ZONES, cidr="10.0.0.0/16", logs_key_arn="arn:logs-key", tags=TAGS)
CLUSTER = EksClusterArgs(
    region=REGION,
    kubernetes_version="1.34",
    network_cidr="10.0.0.0/16",
    subnet_ids=["subnet-a", "subnet-b", "subnet-c"],
    secrets_key_arn="arn:secrets-key",
    logs_key_arn="arn:logs-key",
    admin_principal_arns=("arn:aws:iam::123456789012:role/operators",),
    tags=TAGS,
)
WORKERS = NodePoolShape(
    role=NodeRole.WORKER, machine="p5.48xlarge", nodes=4, zones=("us-west-2a",), fabric=FabricKind.EFA
)
POOL = EksNodePoolArgs(
    shape=WORKERS,
    cluster_name="prod",
    cluster_security_group_id="sg-cluster",
    kubernetes_version="1.34",
    subnet_ids={"us-west-2a": "subnet-a", "us-west-2b": "subnet-b", "us-west-2c": "subnet-c"},
    disk_key_arn="arn:disk-key",
    tags=TAGS,
    fabric_security_group_id="sg-fabric",
)
BLOCK = {"capacity": Capacity.CAPACITY_BLOCK, "reservation_id": "cr-0123456789abcdef0"}
SHAPES: dict[str, NodePoolShape] = {
    "plain": replace(WORKERS, fabric=None),
    "efa": WORKERS,
    "placement": replace(WORKERS, placement=Placement.CLUSTER),
    "spot": replace(WORKERS, capacity=Capacity.SPOT, on_demand_nodes=2, minimum_nodes=2, maximum_nodes=16),
    "reservation": replace(WORKERS, capacity=Capacity.RESERVATION, reservation_id="cr-0123456789abcdef0"),
    "reserved-group": replace(
        WORKERS,
        capacity=Capacity.RESERVATION,
        reservation_id="cr-0123456789abcdef0",
        placement=Placement.FROM_RESERVATION,
        reservation_placement_group="research",
    ),
    "block": replace(WORKERS, **BLOCK),
    "blackwell": replace(WORKERS, machine="p6-b300.48xlarge"),
    "coordinators": NodePoolShape(role=NodeRole.COORDINATOR, machine="c6i.8xlarge", nodes=3, zones=ZONES),
    "storage": NodePoolShape(
        role=NodeRole.STORAGE, machine="i4i.16xlarge", nodes=0, minimum_nodes=0, maximum_nodes=4, zones=ZONES
    ),
}


def pool(opts: pulumi.ResourceOptions, **changes: Any) -> EksNodePool:
    """A pool of workers whose shape has these changes."""
    return EksNodePool("workers", replace(POOL, shape=replace(WORKERS, **changes)), opts)


def region(opts: pulumi.ResourceOptions) -> dict[str, Any]:
    """A whole region, put together as an environment does it."""
    keys = AwsKeys("keys", KEYS, opts)
    network = AwsNetwork("network", NETWORK, opts)
    cluster = EksCluster("prod", replace(CLUSTER, subnet_ids=list(network.private_subnet_ids.values())), opts)
    for name, shape in SHAPES.items():
        args = replace(
            POOL,
            shape=shape,
            cluster_name=cluster.name,
            cluster_security_group_id=cluster.security_group_id,
            subnet_ids=network.private_subnet_ids,
            fabric_security_group_id=network.fabric_security_group_id,
        )
        EksNodePool(name, args, opts)
    return {"kubeconfig": cluster.kubeconfig, "keys": {use.value: key.arn for use, key in keys.keys.items()}}
