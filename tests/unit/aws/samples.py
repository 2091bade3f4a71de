"""Components with good arguments, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pulumi
from novacron_infra import aws
from novacron_infra.catalog import FabricKind
from novacron_infra.config import Detector
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
from novacron_infra.tags import Tags

from tests.unit.aws.graph import key_arn

REGION = "us-west-2"
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
TAGS = Tags(environment="prod")
SUBNETS = {zone: f"subnet-0123456789abcde{index:02d}" for index, zone in enumerate(ZONES)}
CLUSTER_GROUP, FABRIC_GROUP = "sg-0123456789abcdef0", "sg-0123456789abcdef1"


SECRETS_KEY, STORAGE_KEY, LOGS_KEY = key_arn("cluster"), key_arn("storage"), key_arn("logs")
KEYS = aws.AwsKeysArgs(region=REGION, tags=TAGS)
NETWORK = aws.AwsNetworkArgs(
    region=REGION, zones=ZONES, cidr=IPv4Network("10.0.0.0/16"), logs_key_arn=LOGS_KEY, tags=TAGS
)
CLUSTER = aws.EksClusterArgs(
    region=REGION,
    kubernetes_version="1.35",
    network_cidr=IPv4Network("10.0.0.0/16"),
    subnet_ids=list(SUBNETS.values()),
    secrets_key_arn=SECRETS_KEY,
    logs_key_arn=LOGS_KEY,
    admin_principal_arns=("arn:aws:iam::123456789012:role/operators",),
    tags=TAGS,
)
WORKERS = NodePoolShape(
    role=NodeRole.WORKER, machine="p5.48xlarge", nodes=4, zones=("us-west-2a",), fabric=FabricKind.EFA
)
POOL = aws.EksNodePoolArgs(
    shape=WORKERS,
    cluster_name="prod",
    cluster_security_group_id=CLUSTER_GROUP,
    kubernetes_version="1.35",
    subnet_ids=SUBNETS,
    disk_key_arn=STORAGE_KEY,
    tags=TAGS,
    fabric_security_group_id=FABRIC_GROUP,
)
STORE = aws.AwsModelStoreArgs(bucket="novacron-models", key_arn=STORAGE_KEY, tags=TAGS)
REPLICATION = aws.AwsModelReplicationArgs(
    source_bucket="novacron-models",
    source_bucket_arn="arn:aws:s3:::novacron-models",
    source_key_arn=STORAGE_KEY,
    replicas={
        region: aws.ReplicaArgs(
            bucket=f"novacron-models-{region}",
            bucket_arn=f"arn:aws:s3:::novacron-models-{region}",
            key_arn=key_arn("storage", region),
        )
        for region in ("us-east-1", "eu-west-1")
    },
    tags=TAGS,
    alarm_topic_arns=("arn:aws:sns:us-west-2:123456789012:alarms",),
)
LUSTRE = aws.AwsLustreArgs(
    capacity_gib=4800,
    subnet_id=SUBNETS[ZONES[0]],
    security_group_ids=(CLUSTER_GROUP, FABRIC_GROUP),
    key_arn=STORAGE_KEY,
    tags=TAGS,
    efa=True,
    bucket="novacron-models",
)
EFS = aws.AwsEfsArgs(subnet_ids=POOL.subnet_ids, security_group_id=CLUSTER_GROUP, key_arn=STORAGE_KEY, tags=TAGS)
FILE_REPLICATION = aws.AwsFileReplicationArgs(
    source_id="fs-0123456789abcdef0", replica_id="fs-0123456789abcdef1", replica_region="us-east-1", tags=TAGS
)
ADDONS = aws.EksAddonsArgs(cluster_name="prod", tags=TAGS, efs=True, lustre=True)
INGRESS = aws.AwsIngressArgs(
    vpc_id="vpc-0123456789abcdef0", subnet_ids=SUBNETS, cluster_security_group_id=CLUSTER_GROUP, tags=TAGS
)
READS_MODELS = aws.reads_models("arn:aws:s3:::novacron-models", STORAGE_KEY)
POD_ROLE = aws.EksPodRoleArgs(
    cluster_name="prod", namespace="novacron-llm", service_account="llm-workers", policy=READS_MODELS, tags=TAGS
)
POSTGRES = aws.AwsPostgresArgs(
    instance_class="db.r7g.2xlarge",
    storage_gib=1024,
    vpc_id="vpc-0123456789abcdef0",
    subnet_ids=SUBNETS,
    client_security_group_id=CLUSTER_GROUP,
    key_arn=STORAGE_KEY,
    tags=TAGS,
)
REDIS = aws.AwsRedisArgs(
    node_type="cache.r7g.4xlarge",
    shards=3,
    replicas_per_shard=1,
    password="a-password-of-a-test",
    vpc_id="vpc-0123456789abcdef0",
    subnet_ids=SUBNETS,
    client_security_group_id=CLUSTER_GROUP,
    key_arn=STORAGE_KEY,
    tags=TAGS,
)
REGISTRY = aws.AwsRegistryArgs(key_arn=STORAGE_KEY, prefix="prod", tags=TAGS)
THREATS = aws.AwsThreatDetectionArgs(
    region=REGION,
    detector=Detector.MANAGED,
    cluster_name="prod",
    vpc_id="vpc-0123456789abcdef0",
    vpc_cidr=NETWORK.cidr,
    subnet_ids=SUBNETS,
    key_arn=LOGS_KEY,
    tags=TAGS,
    alert_emails=("security@example.com",),
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


def pool(opts: pulumi.ResourceOptions, **changes: Any) -> aws.EksNodePool:
    """A pool of workers whose shape has these changes."""
    return aws.EksNodePool("workers", replace(POOL, shape=replace(WORKERS, **changes)), opts)


def region(opts: pulumi.ResourceOptions) -> dict[str, Any]:
    """A whole region, put together as an environment does it."""
    keys = aws.AwsKeys("keys", KEYS, opts)
    storage_key = keys.find_arn(aws.KeyUse.STORAGE)
    network = aws.AwsNetwork("network", replace(NETWORK, logs_key_arn=keys.find_arn(aws.KeyUse.LOGS)), opts)
    cluster_args = replace(
        CLUSTER,
        subnet_ids=list(network.private_subnet_ids.values()),
        secrets_key_arn=keys.find_arn(aws.KeyUse.CLUSTER),
        logs_key_arn=keys.find_arn(aws.KeyUse.LOGS),
    )
    cluster = aws.EksCluster("prod", cluster_args, opts)
    for name, shape in SHAPES.items():
        args = replace(
            POOL,
            shape=shape,
            cluster_name=cluster.name,
            cluster_security_group_id=cluster.security_group_id,
            subnet_ids=network.private_subnet_ids,
            disk_key_arn=storage_key,
            fabric_security_group_id=network.fabric_security_group_id,
        )
        aws.EksNodePool(name, args, opts)
    ingress_args = replace(
        INGRESS,
        vpc_id=network.vpc_id,
        subnet_ids=network.public_subnet_ids,
        cluster_security_group_id=cluster.security_group_id,
    )
    ingress = aws.AwsIngress("door", ingress_args, opts)
    aws.AwsModelStore("models", replace(STORE, key_arn=storage_key), opts)
    aws.AwsModelReplication("copies", REPLICATION, opts)
    aws.AwsLustre("fast", replace(LUSTRE, key_arn=storage_key), opts)
    aws.AwsEfs("shared", replace(EFS, key_arn=storage_key), opts)
    aws.AwsFileReplication("files", FILE_REPLICATION, opts)
    aws.EksAddons("addons", ADDONS, opts)
    aws.EksPodRole("workers", POD_ROLE, opts)
    aws.AwsPostgres("state", replace(POSTGRES, key_arn=storage_key), opts)
    aws.AwsRedis("cache", replace(REDIS, key_arn=storage_key), opts)
    aws.AwsRegistry("images", replace(REGISTRY, key_arn=storage_key), opts)
    aws.AwsThreatDetection("threats", replace(THREATS, key_arn=keys.find_arn(aws.KeyUse.LOGS)), opts)
    return {
        "kubeconfig": cluster.kubeconfig,
        "keys": {use.value: key.arn for use, key in keys.keys.items()},
        "address": ingress.address,
    }
