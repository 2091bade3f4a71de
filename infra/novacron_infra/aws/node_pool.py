"""A pool of nodes on EKS: its launch template, and in each zone one managed group or, with spot, two.

What a pool may be is checked in `capacity`; what a node does before it joins is in `user_data`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.capacity import check_pool
from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.fabric import list_efa_interfaces
from novacron_infra.aws.iam import render_service_trust
from novacron_infra.aws.user_data import render_user_data
from novacron_infra.aws.volumes import ROOT_VOLUME, Gp3Volume, check_volume
from novacron_infra.catalog import Machine, find_machine
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.versions import check_version
from novacron_infra.pool_sizes import PoolSize, find_text, follow_autoscaler
from novacron_infra.pools import (
    RESERVED,
    Capacity,
    NodeGroupShape,
    NodePoolShape,
    Placement,
    build_node_labels,
    build_node_taints,
    count_devices,
    split_by_zone,
)
from novacron_infra.resource_outputs import require_output
from novacron_infra.tags import Tags

_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy")
_MAX_UNAVAILABLE_PERCENT = 25
_CAPACITY_TYPES = {
    Capacity.ON_DEMAND: "ON_DEMAND",
    Capacity.SPOT: "SPOT",
    Capacity.RESERVATION: "ON_DEMAND",
    Capacity.CAPACITY_BLOCK: "CAPACITY_BLOCK",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EksNodePoolArgs:
    """A pool, and what it is put into."""

    shape: NodePoolShape
    cluster_name: pulumi.Input[str]
    cluster_security_group_id: pulumi.Input[str]
    kubernetes_version: str
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone; every zone of the shape has one."""
    disk_key_arn: pulumi.Input[str]
    tags: Tags
    fabric_security_group_id: pulumi.Input[str] | None = None
    """Needed with a fabric: lets members reach each other without limit in both directions."""
    root_volume: Gp3Volume = ROOT_VOLUME


@dataclass(frozen=True, kw_only=True, slots=True)
class EksNodePoolResources:
    """Resources of the pool. Groups are by suffix, as in the shape, and zone: `nodes-2a`."""

    role: aws.iam.Role
    launch_template: aws.ec2.LaunchTemplate
    placement_group: aws.ec2.PlacementGroup | None
    node_groups: dict[str, aws.eks.NodeGroup]


class EksNodePool(pulumi.ComponentResource):
    """Nodes for coordinators, GPU workers or storage.

    Raises:
        ArgumentError: choices that exclude each other, a zone without subnet, a fabric without its security group.
    """

    resources: EksNodePoolResources
    node_role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EksNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [*check_name(name), *check_tags(name, args.tags), *check_pool(name, args.shape), *_check_args(name, args)]
        )
        super().__init__("novacron:index:EksNodePool", name, None, opts)
        self._args, self._machine_type = args, find_machine(args.shape.machine)
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.tags.of(args.shape.role.value)
        role, may_join = self._role()
        placement_group = (
            aws.ec2.PlacementGroup(f"{name}-placement", strategy="cluster", tags=self._tags, opts=self._child)
            if args.shape.placement is Placement.CLUSTER
            else None
        )
        template = self._launch_template(placement_group)
        # A group cannot change its zones: one of its own for each, so that zones come and go without the others' nodes.
        groups = {
            f"{suffix}-{make_short_zone(zone)}": self._node_group(suffix, zone, group, template, role, may_join)
            for suffix, whole in args.shape.groups.items()
            for zone, group in split_by_zone(whole).items()
        }
        self.resources = EksNodePoolResources(
            role=role, launch_template=template, placement_group=placement_group, node_groups=groups
        )
        self.node_role_arn = role.arn
        self.register_outputs({"node_role_arn": self.node_role_arn})

    def _role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        name = self.pulumi_resource_name
        partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=self)).partition
        role = aws.iam.Role(
            f"{name}-node",
            assume_role_policy=render_service_trust("ec2.amazonaws.com"),
            tags=self._tags,
            opts=self._child,
        )
        attachments: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=pulumi.Output.format("arn:{0}:iam::aws:policy/{1}", partition, policy),
                opts=self._child,
            )
            for policy in _NODE_POLICIES
        ]
        return role, attachments

    def _launch_template(self, placement_group: aws.ec2.PlacementGroup | None) -> aws.ec2.LaunchTemplate:
        args, shape = self._args, self._args.shape
        block = shape.capacity is Capacity.CAPACITY_BLOCK
        group_name = placement_group.name if placement_group else shape.reservation_placement_group
        return aws.ec2.LaunchTemplate(
            f"{self.pulumi_resource_name}-nodes",
            update_default_version=True,
            # A capacity block wants the machine here; everything else in the node group, where policies see it.
            instance_type=shape.machine if block else None,
            instance_market_options=aws.ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type="capacity-block")
            if block
            else None,
            capacity_reservation_specification=_reservation(shape),
            placement=aws.ec2.LaunchTemplatePlacementArgs(group_name=group_name) if group_name is not None else None,
            network_interfaces=self._network_interfaces(),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=args.root_volume.size_gib,
                        iops=args.root_volume.iops,
                        throughput=args.root_volume.throughput_mib_per_s,
                        encrypted="true",
                        kms_key_id=args.disk_key_arn,
                        delete_on_termination="true",
                    ),
                )
            ],
            # One hop: the node itself, no pod. Pods have identities of their own.
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            user_data=base64.b64encode(render_user_data(self._machine_type).encode()).decode(),
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(
                    resource_type=kind, tags={**self._tags, "Name": self.pulumi_resource_name}
                )
                for kind in ("instance", "volume", "network-interface")
            ],
            tags=self._tags,
            opts=self._child,
        )

    def _network_interfaces(self) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs] | None:
        """The fabric's; without one EKS adds a single interface in the cluster's security group by itself."""
        args = self._args
        if args.shape.fabric is None or args.fabric_security_group_id is None:
            return None
        return [
            aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                network_card_index=interface.network_card,
                device_index=interface.device,
                interface_type=interface.type.value,
                security_groups=[args.cluster_security_group_id, args.fabric_security_group_id],
                delete_on_termination="true",
            )
            for interface in list_efa_interfaces(args.shape.machine)
        ]

    def _node_group(
        self,
        suffix: str,
        zone: str,
        group: NodeGroupShape,
        template: aws.ec2.LaunchTemplate,
        role: aws.iam.Role,
        may_join: list[pulumi.Resource],
    ) -> aws.eks.NodeGroup:
        args, shape = self._args, self._args.shape
        name = f"{self.pulumi_resource_name}-{suffix}-{make_short_zone(zone)}"
        has_gpus = self._machine_type.gpu is not None

        async def read_size(properties: Mapping[str, Any]) -> PoolSize | None:
            return await self._read_size(name, properties)

        node_group = aws.eks.NodeGroup(
            name,
            cluster_name=args.cluster_name,
            node_role_arn=role.arn,
            version=args.kubernetes_version,
            subnet_ids=[args.subnet_ids[zone]],
            ami_type="AL2023_x86_64_NVIDIA" if has_gpus else "AL2023_x86_64_STANDARD",
            instance_types=None if shape.capacity is Capacity.CAPACITY_BLOCK else [shape.machine],
            capacity_type=_CAPACITY_TYPES[group.capacity],
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                desired_size=group.nodes, min_size=group.minimum_nodes, max_size=group.maximum_nodes
            ),
            # Minimal: a node is removed before its replacement is created, so updates need no additional GPUs.
            update_config=aws.eks.NodeGroupUpdateConfigArgs(
                max_unavailable_percentage=_MAX_UNAVAILABLE_PERCENT,
                update_strategy="MINIMAL" if has_gpus else "DEFAULT",
            ),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            labels=build_node_labels(shape, self._machine_type),
            taints=[
                aws.eks.NodeGroupTaintArgs(key=key, value=value, effect="NO_SCHEDULE")
                for key, value in build_node_taints(group, self._machine_type).items()
            ]
            or None,
            tags=self._tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=may_join,
                # The autoscaler owns the number; without one, a change of it in this program has to arrive.
                ignore_changes=["scalingConfig.desiredSize"] if group.scaled else None,
                transforms=[follow_autoscaler(group, read_size, lambda nodes: _write_size(nodes, group))]
                if group.scaled
                else None,
                # A replacement must not need the GPUs, or the reservation, twice.
                delete_before_replace=has_gpus,
                # The only zone of a pool had the group without a zone in its name before.
                aliases=[pulumi.Alias(name=f"{self.pulumi_resource_name}-{suffix}")] if len(shape.zones) == 1 else None,
            ),
        )
        if group.scaled:
            self._tell_autoscaler(name, node_group, group)
        return node_group

    async def _read_size(self, name: str, properties: Mapping[str, Any]) -> PoolSize | None:
        """Return the size of a node group of this program. Pulumi chose its name: the resource's, and a suffix."""
        cluster = await find_text(properties["clusterName"])
        if cluster is None:
            return None
        opts = pulumi.InvokeOutputOptions(parent=self)
        names = await aws.eks.get_node_groups_output(cluster_name=cluster, opts=opts).names.future()
        own = [item for item in names or () if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{7}}", item)]
        if len(own) != 1:  # none before it is created, two while one replaces the other
            return None
        found = aws.eks.get_node_group_output(cluster_name=cluster, node_group_name=own[0], opts=opts)
        (scaling,) = require_output(await found.scaling_configs.future(), "getNodeGroup.scalingConfigs")
        return PoolSize(nodes=scaling.desired_size, minimum=scaling.min_size, maximum=scaling.max_size)

    def _tell_autoscaler(self, name: str, node_group: aws.eks.NodeGroup, group: NodeGroupShape) -> None:
        """Says on the group behind the node group what its nodes will be like: with none left nothing else does."""
        scaling_group = node_group.resources.apply(_scaling_group)
        for key, value in build_node_template(self._args.shape, group, self._machine_type).items():
            aws.autoscaling.Tag(
                f"{name}-{key}",
                autoscaling_group_name=scaling_group,
                tag=aws.autoscaling.TagTagArgs(
                    key=f"k8s.io/cluster-autoscaler/node-template/{key}", value=value, propagate_at_launch=False
                ),
                opts=self._child,
            )


def make_short_zone(zone: str) -> str:
    """Return the part of a zone's name that differs within a region: `2a` of us-west-2a. Names of groups are short."""
    return zone.rpartition("-")[2]


def build_node_template(shape: NodePoolShape, group: NodeGroupShape, machine_type: Machine) -> dict[str, str]:
    """Return the tags from which the cluster autoscaler learns the labels, taints and resources of a group's nodes."""
    return {
        **{f"label/{key}": value for key, value in build_node_labels(shape, machine_type).items()},
        **{f"taint/{key}": f"{value}:NoSchedule" for key, value in build_node_taints(group, machine_type).items()},
        **{f"resources/{name}": str(count) for name, count in count_devices(shape, machine_type).items()},
    }


def _reservation(shape: NodePoolShape) -> aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs | None:
    if shape.capacity not in RESERVED:
        return None
    return aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs(
        capacity_reservation_preference="capacity-reservations-only",
        capacity_reservation_target=aws.ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=shape.reservation_id
        ),
    )


def _write_size(nodes: int, group: NodeGroupShape) -> dict[str, Any]:
    return {
        "scalingConfig": {"desiredSize": nodes, "minSize": group.minimum_nodes, "maxSize": group.maximum_nodes},
    }


def _scaling_group(resources: Sequence[aws.eks.outputs.NodeGroupResource]) -> str:
    (group,) = resources[0].autoscaling_groups or []
    return require_output(group.name, "NodeGroup.resources[0].autoscaling_groups[0].name")


def _check_args(name: str, args: EksNodePoolArgs) -> list[Problem]:
    found = check_volume(f"{name}.root_volume", args.root_volume)
    found += check_version(f"{name}.kubernetes_version", args.kubernetes_version)
    found += [
        Problem(f"{name}.subnet_ids", ", ".join(args.subnet_ids) or "none", f"zone {zone} has no subnet", "Add it")
        for zone in args.shape.zones
        if zone not in args.subnet_ids
    ]
    if args.shape.fabric is not None and args.fabric_security_group_id is None:
        rule = f"{args.shape.fabric.value} needs a group whose members reach each other without limit"
        fix = "Pass the network's fabric_security_group_id"
        found.append(Problem(f"{name}.fabric_security_group_id", "None", rule, fix))
    return found
