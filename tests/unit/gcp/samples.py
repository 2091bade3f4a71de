"""Components with good arguments, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pulumi
from novacron_infra.catalog import FabricKind
from novacron_infra.gcp import (
    DiskAccess,
    FabricInterface,
    GcpFabric,
    GcpFabricArgs,
    GcpFilestore,
    GcpFilestoreArgs,
    GcpIngress,
    GcpIngressArgs,
    GcpKeys,
    GcpKeysArgs,
    GcpLustre,
    GcpLustreArgs,
    GcpModelDisk,
    GcpModelDiskArgs,
    GcpModelReplication,
    GcpModelReplicationArgs,
    GcpModelStore,
    GcpModelStoreArgs,
    GcpNetwork,
    GcpNetworkArgs,
    GcpPostgres,
    GcpPostgresArgs,
    GcpRedis,
    GcpRedisArgs,
    GcpRegistry,
    GcpRegistryArgs,
    GcpThreatAlerts,
    GcpThreatAlertsArgs,
    GkeCluster,
    GkeClusterArgs,
    GkeNodePool,
    GkeNodePoolArgs,
    GkePodAccount,
    GkePodAccountArgs,
    KeyUse,
    ReplicaArgs,
)
from novacron_infra.gcp.region import GcpRegionArgs
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import GcsStore
from novacron_infra.tags import Tags

REGION = "us-central1"
ZONES = ("us-central1-a", "us-central1-b", "us-central1-c")
ROCE_ZONE = "us-central1-b"
TAGS = Tags(environment="prod")


def key(number: int, location: str = REGION) -> str:
    """The id of a key."""
    return f"projects/acme-prod/locations/{location}/keyRings/keys/cryptoKeys/key-{number}"


SECRETS_KEY, STORAGE_KEY = key(1), key(2)
NETWORK_ID = "projects/acme-prod/global/networks/prod"
KEYS = GcpKeysArgs(
    location=REGION, tags=TAGS, filestore=True, managed_lustre=True, databases=True, registry=True, pubsub=True
)
NETWORK = GcpNetworkArgs(region=REGION, cidr=IPv4Network("10.0.0.0/16"), tags=TAGS)
CLUSTER = GkeClusterArgs(
    region=REGION,
    zones=ZONES,
    kubernetes_version="1.35",
    network_id=NETWORK_ID,
    subnet_id="projects/acme-prod/regions/us-central1/subnetworks/nodes",
    secrets_key_id=SECRETS_KEY,
    tags=TAGS,
)
WORKERS = NodePoolShape(role=NodeRole.WORKER, machine="a3-megagpu-8g", nodes=4, zones=(ZONES[0],))
POOL = GkeNodePoolArgs(
    shape=WORKERS,
    region=REGION,
    cluster_name="prod",
    node_account_email="prod-nodes@acme-prod.iam.gserviceaccount.com",
    disk_key_id=STORAGE_KEY,
    tags=TAGS,
)
FABRICS = {
    "a3-highgpu-8g": ZONES[0],
    "a3-megagpu-8g": ZONES[0],
    "a3-ultragpu-8g": ROCE_ZONE,
    "a4-highgpu-8g": ROCE_ZONE,
}
FABRIC = GcpFabricArgs(machine="a3-ultragpu-8g", region=REGION, zone=ROCE_ZONE, cidr=IPv4Network("10.0.192.0/19"))
EMPTY: dict[str, Any] = {"nodes": 0, "minimum_nodes": 0, "maximum_nodes": 8}
RESERVED: dict[str, Any] = {"capacity": Capacity.RESERVATION, "reservation_id": "h100"}
SHAPES: dict[str, NodePoolShape] = {
    "plain": WORKERS,
    "tcpx": replace(WORKERS, machine="a3-highgpu-8g", fabric=FabricKind.TCPX),
    "tcpxo": replace(WORKERS, fabric=FabricKind.TCPXO),
    "roce": replace(WORKERS, machine="a3-ultragpu-8g", fabric=FabricKind.ROCE, zones=(ROCE_ZONE,), **RESERVED),
    "blackwell": replace(WORKERS, machine="a4-highgpu-8g", fabric=FabricKind.ROCE, zones=(ROCE_ZONE,), **RESERVED),
    "ampere": replace(WORKERS, machine="a2-ultragpu-8g", zones=ZONES[:2]),
    "placement": replace(WORKERS, placement=Placement.CLUSTER),
    "spot": replace(WORKERS, capacity=Capacity.SPOT, on_demand_nodes=2, minimum_nodes=2, maximum_nodes=16),
    "reservation": replace(WORKERS, **RESERVED),
    "block": replace(
        WORKERS,
        **RESERVED,
        placement=Placement.FROM_RESERVATION,
        reservation_placement_group="h100-block-0001",
    ),
    "flex": replace(WORKERS, **EMPTY, capacity=Capacity.FLEX_START),
    "queued": replace(WORKERS, **EMPTY, capacity=Capacity.QUEUED),
    "coordinators": NodePoolShape(role=NodeRole.COORDINATOR, machine="c2-standard-60", nodes=3, zones=ZONES),
    "storage": NodePoolShape(
        role=NodeRole.STORAGE, machine="c2-standard-30", nodes=0, minimum_nodes=0, maximum_nodes=4, zones=ZONES
    ),
}
LOCAL_SSDS = {"storage": 8}
STORE = GcpModelStoreArgs(
    bucket="novacron-models", region=REGION, key_id=key(3, "us"), tags=TAGS, second_region="us-east1", turbo=True
)
DISK = GcpModelDiskArgs(
    zone=ZONES[0], size_gib=1024, throughput_mib_per_s=24_000, key_id=STORAGE_KEY, tags=TAGS, access=DiskAccess.SERVE
)
LUSTRE = GcpLustreArgs(zone=ZONES[0], capacity_gib=18_000, network_id=NETWORK_ID, key_id=STORAGE_KEY, tags=TAGS)
FILESTORE = GcpFilestoreArgs(zone=ZONES[0], capacity_gib=10_240, network_id=NETWORK_ID, key_id=STORAGE_KEY, tags=TAGS)
POSTGRES = GcpPostgresArgs(
    instance_class="db-perf-optimized-N-8",
    region=REGION,
    storage_gib=1024,
    network_id=NETWORK_ID,
    key_id=STORAGE_KEY,
    tags=TAGS,
)
REDIS = GcpRedisArgs(
    node_type="REDIS_HIGHMEM_XLARGE",
    region=REGION,
    shards=3,
    replicas_per_shard=1,
    network_id=NETWORK_ID,
    subnet_id=CLUSTER.subnet_id,
    key_id=STORAGE_KEY,
    tags=TAGS,
)
REGISTRY = GcpRegistryArgs(region=REGION, key_id=STORAGE_KEY, repository="prod-novacron", tags=TAGS)
INGRESS = GcpIngressArgs(region=REGION, tags=TAGS)
POD_ACCOUNT = GkePodAccountArgs(
    workload_pool="acme-prod.svc.id.goog", namespace="novacron-llm", service_account="llm-workers"
)
REPLICATION = GcpModelReplicationArgs(
    project="acme-prod",
    source_bucket="novacron-models",
    replicas={"us-east1": ReplicaArgs(bucket="novacron-models-us-east1")},
    tags=TAGS,
    alarm_channels=("projects/acme-prod/notificationChannels/1",),
)
THREATS = GcpThreatAlertsArgs(
    project="acme-prod", region=REGION, key_id=STORAGE_KEY, tags=TAGS, alert_emails=("security@example.com",)
)
SPEC = RegionSpec(
    region=REGION,
    zones=ZONES,
    network=IPv4Network("10.0.0.0/16"),
    kubernetes_version="1.35",
    admins=("group:operators@example.com",),
    pools={
        "coordinators": SHAPES["coordinators"],
        "workers": replace(SHAPES["roce"], placement=Placement.FROM_RESERVATION),
    },
    store=GcsStore(bucket="novacron-models"),
    postgres_storage_gib=1024,
    redis_nodes=6,
    tags=TAGS,
    protect=True,
)
GCP_REGION = GcpRegionArgs(spec=SPEC, project="acme-prod")


def pool(opts: pulumi.ResourceOptions | None = None, **changes: Any) -> GkeNodePool:
    """A pool of workers whose shape has these changes."""
    return GkeNodePool("workers", replace(POOL, shape=replace(WORKERS, **changes)), opts)


def region(opts: pulumi.ResourceOptions) -> dict[str, Any]:
    """A whole region, put together as an environment does it."""
    keys = GcpKeys("keys", KEYS, opts)
    network = GcpNetwork("network", NETWORK, opts)
    cluster = GkeCluster(
        "prod",
        replace(
            CLUSTER,
            network_id=network.network_id,
            subnet_id=network.subnet_id,
            secrets_key_id=keys.find_key_id(KeyUse.CLUSTER),
            managed_lustre=True,
            filestore=True,
        ),
        opts,
    )
    # Each has its own address range, in addition to that of the nodes: one cluster has all of them.
    interfaces: dict[str, tuple[FabricInterface, ...]] = {
        machine: GcpFabric(
            f"fabric-{index}",
            replace(FABRIC, machine=machine, zone=zone, cidr=IPv4Network(f"10.{index + 1}.0.0/19")),
            opts,
        ).interfaces
        for index, (machine, zone) in enumerate(FABRICS.items())
    }
    for name, shape in SHAPES.items():
        args = replace(
            POOL,
            shape=shape,
            cluster_name=cluster.name,
            node_account_email=cluster.node_account_email,
            disk_key_id=keys.find_key_id(KeyUse.STORAGE),
            fabric_interfaces=interfaces[shape.machine] if shape.fabric else (),
            local_ssds=LOCAL_SSDS.get(name),
        )
        GkeNodePool(name, args, opts)
    GkeNodePool(
        "automatic", replace(POOL, shape=SHAPES["roce"], cluster_name=cluster.name, automatic_fabric=True), opts
    )
    storage_key = keys.find_key_id(KeyUse.STORAGE)
    GcpModelStore("models", STORE, opts)
    GcpModelDisk("disk", replace(DISK, key_id=storage_key), opts)
    services = network.services_network_id
    GcpLustre("fast", replace(LUSTRE, key_id=storage_key, network_id=services), opts)
    GcpFilestore("shared", replace(FILESTORE, key_id=storage_key, network_id=services), opts)
    GcpPostgres("state", replace(POSTGRES, key_id=storage_key, network_id=services), opts)
    GcpRedis("cache", replace(REDIS, key_id=storage_key), opts)
    GcpRegistry("images", replace(REGISTRY, key_id=storage_key), opts)
    GcpIngress("door", INGRESS, opts)
    GkePodAccount("workers", replace(POD_ACCOUNT, workload_pool=cluster.workload_pool), opts)
    GcpModelReplication("copies", REPLICATION, opts)
    GcpThreatAlerts("threats", replace(THREATS, key_id=storage_key), opts)
    return {"kubeconfig": cluster.kubeconfig, "workload_pool": cluster.workload_pool}
