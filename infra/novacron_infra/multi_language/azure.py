"""GPUs on Azure for other programs: a pool for an AKS cluster that exists."""

from typing import TypedDict

import pulumi
from typing_extensions import NotRequired

from novacron_infra.azure.node_pool import AksNodePool, AksNodePoolArgs, GpuStack
from novacron_infra.multi_language.known_inputs import check_known_inputs
from novacron_infra.multi_language.pools import PoolShape, TagsArgs, build_node_pool_shape, build_tags
from novacron_infra.pools import NodeRole


class AksGpuPoolArgs(TypedDict):
    """A pool, and the cluster that it joins."""

    shape: PoolShape
    """Which nodes."""
    pool: str
    """Its name in the cluster: at most 8 lower-case letters and digits."""
    region: str
    """Region of the cluster, such as eastus."""
    resource_group: pulumi.Input[str]
    """Resource group of the cluster."""
    cluster_name: pulumi.Input[str]
    """Name of an existing cluster."""
    control_principal_id: pulumi.Input[str]
    """Principal id of the cluster's control plane, which launches into reservations."""
    kubernetes_version: str
    """Kubernetes version of the nodes, such as 1.35."""
    subnet_id: pulumi.Input[str]
    """Where the nodes are."""
    gpu_stack: NotRequired[GpuStack]
    """Source of the GPU driver: None is NVIDIA's GPU operator, which you install. The same for all of the cluster."""
    tags: TagsArgs
    """Tags of every resource."""


class AksGpuPool(pulumi.ComponentResource):
    """GPU workers on an AKS cluster that exists; its subscription has Microsoft.Compute/EncryptionAtHost registered."""

    agent_pool_names: dict[str, pulumi.Output[str]]
    """By kind: nodes and, with spot, spot."""

    def __init__(self, name: str, args: AksGpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = check_known_inputs(name, AksGpuPoolArgs, args)
        super().__init__("novacron:index:AksGpuPool", name, None, opts)
        pool = AksNodePool(
            name,
            AksNodePoolArgs(
                shape=build_node_pool_shape(args["shape"], NodeRole.WORKER),
                pool=args["pool"],
                region=args["region"],
                resource_group=args["resource_group"],
                cluster_name=args["cluster_name"],
                control_principal_id=args["control_principal_id"],
                kubernetes_version=args["kubernetes_version"],
                subnet_id=args["subnet_id"],
                gpu_stack=args.get("gpu_stack", GpuStack.GPU_OPERATOR),
                tags=build_tags(args["tags"]),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.agent_pool_names = pool.agent_pool_names
        self.register_outputs({"agent_pool_names": self.agent_pool_names})
