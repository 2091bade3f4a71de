"""A pool of nodes on AKS: in each zone one agent pool or, with spot, two.

What a pool may be is checked in `capacity`; what AKS sets on a node is in `node_config`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pulumi
from pulumi_azure_native import authorization, compute, containerservice

from novacron_infra.azure.capacity import check_pool
from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, grant
from novacron_infra.azure.node_config import build_kubelet_config, build_linux_os_config
from novacron_infra.catalog import Cloud, find_machine, load_machines
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.versions import check_version
from novacron_infra.limits.zones import check_zones
from novacron_infra.pool_sizes import PoolSize, find_text, follow_autoscaler
from novacron_infra.pools import (
    AZURE_SPOT,
    Capacity,
    NodeGroupShape,
    NodePoolShape,
    Placement,
    build_node_labels,
    build_node_taints,
    split_by_zone,
)
from novacron_infra.tags import Tags

LONGEST_POOL_NAME = 8
"""AKS allows 12 characters, and the suffix of the spot pool has 4 at most."""
WHATEVER_IT_COSTS = -1.0
"""As a spot price: up to the price on demand, so that no node goes for its price."""
_SUFFIXES = {"nodes": "", "spot": "spot"}
_ZONED_SUFFIXES = {"nodes": "", "spot": "sp"}
"""Suffixes before the number of a zone."""
_POOL_NAME = re.compile(r"[a-z][a-z0-9]*")
_MAX_UNAVAILABLE = "25%"
_MAX_SURGE = "25%"
_MIN_DISK_GIB, _MAX_DISK_GIB = 128, 2048


class GpuStack(str, Enum):
    """Installer of the GPU driver and toolkit, the same for all pools of a cluster."""

    GPU_OPERATOR = "None"
    AKS = "Install"


class OsSku(str, Enum):
    """The nodes' Linux."""

    UBUNTU = "Ubuntu"
    AZURE_LINUX = "AzureLinux"


class DiskPlace(str, Enum):
    """Where the operating system and the kubelet's files lie."""

    MANAGED = "managed"
    """A managed disk, encrypted with the cluster's disk encryption set."""
    LOCAL = "local"
    """The machine's temporary disk: faster, and empty after each stop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AksNodePoolArgs:
    """A pool, and what it is put into."""

    shape: NodePoolShape
    pool: str
    """Its name in the cluster: at most 8 lower-case letters and digits."""
    region: str
    resource_group: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    control_principal_id: pulumi.Input[str]
    """Identity of the cluster's control plane, which launches nodes into reservations."""
    kubernetes_version: str | None
    """Minor version. None: nodes get the version of the control plane."""
    subnet_id: pulumi.Input[str]
    tags: Tags
    gpu_stack: GpuStack = GpuStack.GPU_OPERATOR
    """The same for every pool of the cluster."""
    os_sku: OsSku = OsSku.UBUNTU
    os_disk: DiskPlace = DiskPlace.MANAGED
    os_disk_gib: int = 512
    """Images of an inference engine have tens of GiB."""
    spot_max_usd_per_hour: float = WHATEVER_IT_COSTS


@dataclass(frozen=True, kw_only=True, slots=True)
class AksNodePoolResources:
    """Resources of the pool. Agent pools are by suffix, as in the shape, and zone: `nodes-1`, or `nodes` without."""

    agent_pools: dict[str, containerservice.AgentPool]
    placement_group: compute.ProximityPlacementGroup | None
    reservation_role: authorization.RoleAssignment | None


class AksNodePool(pulumi.ComponentResource):
    """Nodes for coordinators, GPU workers or storage.

    A pool with InfiniBand needs the feature `INFINIBAND_FEATURE` and is one InfiniBand domain: one scale set.
    Every pool needs the feature `Microsoft.Compute/EncryptionAtHost`, registered once for a subscription.

    Raises:
        ArgumentError: choices that exclude each other, or a name, disk or price that AKS does not take.
    """

    resources: AksNodePoolResources
    agent_pool_names: dict[str, pulumi.Output[str]]
    """By suffix, as in the shape, and zone."""

    def __init__(self, name: str, args: AksNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *check_pool(name, args.shape),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AksNodePool", name, None, opts)
        self._name, self._args, self._machine_type = name, args, find_machine(args.shape.machine)
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.tags.of(args.shape.role.value)
        placement_group = self._placement_group() if args.shape.placement is Placement.CLUSTER else None
        reservation = args.shape.reservation_id
        role = (
            None
            if reservation is None
            else grant(f"{name}-reservation", reservation, Role.CONTRIBUTOR, args.control_principal_id, self._child)
        )
        # A pool cannot change its zones: one of its own for each, so that zones come and go without the others' nodes.
        pools = {
            f"{suffix}-{zone}" if zone else suffix: self._agent_pool(suffix, zone, group, placement_group, role)
            for suffix, whole in args.shape.groups.items()
            for zone, group in split_by_zone(whole).items()
        }
        self.resources = AksNodePoolResources(agent_pools=pools, placement_group=placement_group, reservation_role=role)
        self.agent_pool_names = {suffix: pool.name for suffix, pool in pools.items()}
        self.register_outputs({"agent_pool_names": self.agent_pool_names})

    def _placement_group(self) -> compute.ProximityPlacementGroup:
        args = self._args
        return compute.ProximityPlacementGroup(
            f"{self._name}-placement",
            resource_group_name=args.resource_group,
            location=args.region,
            proximity_placement_group_type=compute.ProximityPlacementGroupType.STANDARD,
            zones=list(args.shape.zones) or None,
            # Azure accepts a zone only with the machine types, and chooses a location that has all of them.
            intent=compute.ProximityPlacementGroupPropertiesIntentArgs(vm_sizes=[args.shape.machine]),
            tags=self._tags,
            opts=self._child,
        )

    def _agent_pool(
        self,
        suffix: str,
        zone: str,
        group: NodeGroupShape,
        placement_group: compute.ProximityPlacementGroup | None,
        role: authorization.RoleAssignment | None,
    ) -> containerservice.AgentPool:
        args, shape, machine_type = self._args, self._args.shape, self._machine_type
        has_gpus, spot = machine_type.gpu is not None, group.capacity is Capacity.SPOT
        local = args.os_disk is DiskPlace.LOCAL
        return containerservice.AgentPool(
            f"{self._name}-{suffix}-{zone}" if zone else f"{self._name}-{suffix}",
            agent_pool_name=args.pool + (_ZONED_SUFFIXES[suffix] + zone if zone else _SUFFIXES[suffix]),
            resource_group_name=args.resource_group,
            resource_name_=args.cluster_name,
            mode=containerservice.AgentPoolMode.USER,
            type=containerservice.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
            vm_size=shape.machine,
            count=group.nodes,
            enable_auto_scaling=group.scaled,
            min_count=group.minimum_nodes if group.scaled else None,
            max_count=group.maximum_nodes if group.scaled else None,
            orchestrator_version=args.kubernetes_version,
            availability_zones=list(group.zones) or None,
            vnet_subnet_id=args.subnet_id,
            os_type=containerservice.OSType.LINUX,
            os_sku=args.os_sku.value,
            os_disk_type=containerservice.OSDiskType.EPHEMERAL if local else containerservice.OSDiskType.MANAGED,
            os_disk_size_gb=args.os_disk_gib,
            kubelet_disk_type=containerservice.KubeletDiskType.OS,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            security_profile=containerservice.AgentPoolSecurityProfileArgs(
                ssh_access=containerservice.AgentPoolSSHAccess.DISABLED
            ),
            linux_os_config=_linux(),
            kubelet_config=containerservice.KubeletConfigArgs(**build_kubelet_config(machine_type)),
            gpu_profile=containerservice.GPUProfileArgs(driver=args.gpu_stack.value) if has_gpus else None,
            node_labels=build_node_labels(shape, machine_type) | ({AZURE_SPOT: "spot"} if spot else {}),
            node_taints=[f"{key}={value}:NoSchedule" for key, value in build_node_taints(group, machine_type).items()]
            or None,
            scale_set_priority=(
                containerservice.ScaleSetPriority.SPOT if spot else containerservice.ScaleSetPriority.REGULAR
            ),
            scale_set_eviction_policy=containerservice.ScaleSetEvictionPolicy.DELETE if spot else None,
            spot_max_price=args.spot_max_usd_per_hour if spot else None,
            capacity_reservation_group_id=shape.reservation_id,
            proximity_placement_group_id=None if placement_group is None else placement_group.id,
            # A GPU node is removed before its replacement is created, so updates need no additional GPUs.
            upgrade_settings=containerservice.AgentPoolUpgradeSettingsArgs(
                max_surge="0" if has_gpus else _MAX_SURGE, max_unavailable=_MAX_UNAVAILABLE if has_gpus else "0"
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=None if role is None else [role],
                # The autoscaler owns the number; without one, a change of it in this program has to arrive.
                ignore_changes=["count"] if group.scaled else None,
                transforms=[follow_autoscaler(group, self._read_size, lambda nodes: {"count": nodes})]
                if group.scaled
                else None,
                # The name is taken, and a replacement must not need the GPUs, or the reservation, twice.
                delete_before_replace=True,
            ),
        )

    async def _read_size(self, properties: Mapping[str, Any]) -> PoolSize | None:
        """Return the size of an agent pool from its cluster, which exists before its pools do."""
        group, cluster = await find_text(properties["resourceGroupName"]), await find_text(properties["resourceName"])
        if group is None or cluster is None:
            return None
        found = containerservice.get_managed_cluster_output(
            resource_group_name=group, resource_name=cluster, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        for pool in await found.agent_pool_profiles.future() or ():
            if pool.name == properties["agentPoolName"]:
                return PoolSize(nodes=pool.count or 0, minimum=pool.min_count, maximum=pool.max_count)
        return None


def _linux() -> containerservice.LinuxOSConfigArgs:
    config = build_linux_os_config()
    sysctls = containerservice.SysctlConfigArgs(**config.pop("sysctls"))
    return containerservice.LinuxOSConfigArgs(sysctls=sysctls, **config)


def _check_args(name: str, args: AksNodePoolArgs) -> list[Problem]:
    found: list[Problem] = []
    if args.kubernetes_version is not None:
        found += check_version(f"{name}.kubernetes_version", args.kubernetes_version)
    found += check_zones(f"{name}.zones", args.shape.zones, Cloud.AZURE, args.region)
    if not _POOL_NAME.fullmatch(args.pool) or len(args.pool) > LONGEST_POOL_NAME:
        rule = f"AKS names pools with {LONGEST_POOL_NAME} lower-case letters and digits, and adds a suffix"
        found.append(Problem(f"{name}.pool", args.pool, rule, "Write it as h100"))
    if not _MIN_DISK_GIB <= args.os_disk_gib <= _MAX_DISK_GIB:
        rule = f"a system disk has {_MIN_DISK_GIB} to {_MAX_DISK_GIB} GiB"
        found.append(Problem(f"{name}.os_disk_gib", str(args.os_disk_gib), rule, "Stay within"))
    machine_type = load_machines().get(args.shape.machine)
    if args.os_disk is DiskPlace.LOCAL and machine_type is not None and not machine_type.local_nvme_gb:
        rule = f"{machine_type.name} has no local disk"
        found.append(Problem(f"{name}.os_disk", args.os_disk.value, rule, f"Use {DiskPlace.MANAGED.value}"))
    price = args.spot_max_usd_per_hour
    if price != WHATEVER_IT_COSTS and price <= 0:
        rule, fix = (
            "no node is sold for it",
            f"Use a price in USD an hour, or {WHATEVER_IT_COSTS:g} for whatever it costs",
        )
        found.append(Problem(f"{name}.spot_max_usd_per_hour", f"{price:g}", rule, fix))
    if args.shape.fabric is not None and args.gpu_stack is not GpuStack.GPU_OPERATOR:
        rule = "GPUs use InfiniBand only with a driver that is built for the InfiniBand driver"
        found.append(Problem(f"{name}.gpu_stack", args.gpu_stack.name, rule, "Use GPU_OPERATOR"))
    if args.shape.fabric is not None and args.os_sku is not OsSku.UBUNTU:
        rule = "the network operator brings the driver of InfiniBand for Ubuntu only"
        found.append(Problem(f"{name}.os_sku", args.os_sku.value, rule, "Use Ubuntu"))
    return found
