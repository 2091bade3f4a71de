"""A GKE cluster with coordinators, and H100 nodes whose GPUs communicate over GPUDirect-TCPXO."""

from ipaddress import IPv4Network

import pulumi
import pulumi_gcp as gcp
from novacron_infra import FabricKind, NodePoolShape, NodeRole, Tags
from novacron_infra.gcp import (
    GcpFabric,
    GcpFabricArgs,
    GcpKeys,
    GcpKeysArgs,
    GcpNetwork,
    GcpNetworkArgs,
    GkeCluster,
    GkeClusterArgs,
    GkeNodePool,
    GkeNodePoolArgs,
    KeyUse,
)

REGION, ZONES = "us-central1", ("us-central1-a", "us-central1-b", "us-central1-c")
TAGS = Tags(environment=pulumi.get_stack(), more={"owner": "research"})
COORDINATORS = NodePoolShape(role=NodeRole.COORDINATOR, machine="c2-standard-30", nodes=3, zones=ZONES)
WORKERS = NodePoolShape(
    role=NodeRole.WORKER, machine="a3-megagpu-8g", nodes=2, zones=ZONES[:1], fabric=FabricKind.TCPXO
)

project = pulumi.Config("gcp").require("project")
provider = pulumi.ResourceOptions(providers=[gcp.Provider("google", project=project, region=REGION)])

# For a trial: without protection, `pulumi destroy` deletes everything.
keys = GcpKeys("gpu", GcpKeysArgs(location=REGION, tags=TAGS, protect=False), provider)
network = GcpNetwork("gpu", GcpNetworkArgs(region=REGION, cidr=IPv4Network("10.0.0.0/16"), tags=TAGS), provider)
cluster = GkeCluster(
    "gpu",
    GkeClusterArgs(
        region=REGION,
        zones=ZONES,
        kubernetes_version="1.35",
        network_id=network.network_id,
        subnet_id=network.subnet_id,
        secrets_key_id=keys.find_key_id(KeyUse.CLUSTER),
        tags=TAGS,
        protect=False,
    ),
    provider,
)
fabric = GcpFabric(
    "gpu-fabric",
    GcpFabricArgs(machine=WORKERS.machine, region=REGION, zone=WORKERS.zones[0], cidr=IPv4Network("10.1.0.0/19")),
    provider,
)
for name, shape in {"coordinators": COORDINATORS, "workers": WORKERS}.items():
    GkeNodePool(
        f"gpu-{name}",
        GkeNodePoolArgs(
            shape=shape,
            region=REGION,
            cluster_name=cluster.name,
            node_account_email=cluster.node_account_email,
            disk_key_id=keys.find_key_id(KeyUse.STORAGE),
            fabric_interfaces=fabric.interfaces if shape.fabric else (),
            tags=TAGS,
        ),
        provider,
    )

pulumi.export("kubeconfig", cluster.kubeconfig)
