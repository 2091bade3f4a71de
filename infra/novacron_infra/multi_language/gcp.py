"""GPUs on Google Cloud for other programs: a pool for a GKE cluster that exists."""

from typing import TypedDict

import pulumi
from typing_extensions import NotRequired

from novacron_infra.gcp.network import FabricInterface
from novacron_infra.gcp.node_pool import GkeNodePool, GkeNodePoolArgs, GpuDriver
from novacron_infra.multi_language.known_inputs import check_known_inputs
from novacron_infra.multi_language.pools import PoolShape, TagsArgs, build_node_pool_shape, build_tags
from novacron_infra.pools import NodeRole


class FabricInterfaceArgs(TypedDict):
    """Where one interface of a node goes."""

    network: pulumi.Input[str]
    """Network of the fabric, not of the cluster."""
    subnet: pulumi.Input[str]
    """In that network."""


class GkeGpuPoolArgs(TypedDict):
    """A pool, and the cluster that it joins."""

    shape: PoolShape
    """Which nodes."""
    region: str
    """Region of the cluster, such as us-central1."""
    cluster_name: pulumi.Input[str]
    """Name of an existing regional cluster."""
    node_account_email: pulumi.Input[str]
    """The service account of the nodes."""
    disk_key_id: pulumi.Input[str]
    """The KMS key of the nodes' disks."""
    fabric_interfaces: NotRequired[list[FabricInterfaceArgs]]
    """With a fabric: one network for each of the machine's interfaces."""
    automatic_fabric: NotRequired[bool]
    """Instead of them: GKE makes the fabric's networks itself."""
    gpu_driver: NotRequired[GpuDriver]
    """Which driver GKE installs; DEFAULT unless stated. A change replaces the pool."""
    tags: TagsArgs
    """Tags of every resource."""


class GkeGpuPool(pulumi.ComponentResource):
    """GPU workers on a GKE cluster that exists: one node pool, or with spot two."""

    node_pool_names: dict[str, pulumi.Output[str]]
    """By kind: nodes and, with spot, spot."""

    def __init__(self, name: str, args: GkeGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = check_known_inputs(name, GkeGpuPoolArgs, args)
        super().__init__("novacron:index:GkeGpuPool", name, None, opts)
        pool = GkeNodePool(
            name,
            GkeNodePoolArgs(
                shape=build_node_pool_shape(args["shape"], NodeRole.WORKER),
                region=args["region"],
                cluster_name=args["cluster_name"],
                node_account_email=args["node_account_email"],
                disk_key_id=args["disk_key_id"],
                fabric_interfaces=[
                    FabricInterface(network=interface["network"], subnet=interface["subnet"])
                    for interface in args.get("fabric_interfaces", [])
                ],
                automatic_fabric=args.get("automatic_fabric", False),
                gpu_driver=args.get("gpu_driver", GpuDriver.DEFAULT),
                tags=build_tags(args["tags"]),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.node_pool_names = pool.node_pool_names
        self.register_outputs({"node_pool_names": self.node_pool_names})
