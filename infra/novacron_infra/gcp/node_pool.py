"""A pool of nodes on GKE: one node pool or, with spot, two.

What a pool may be is checked in `capacity`; what a node of a machine type is like is in `node_config`. GKE owns the
GPU stack: it installs the driver of the stated version, the device plugin and the metrics exporter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

import pulumi
import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud, Machine, find_machine, load_machines
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.capacity import SCHEDULED, check_pool
from novacron_infra.gcp.checks import NAME_CHARACTERS, build_labels, check_labels, check_name
from novacron_infra.gcp.fabric import count_fabric_interfaces
from novacron_infra.gcp.network import FabricInterface
from novacron_infra.gcp.node_config import (
    HUGE_PAGES,
    HUGE_PAGES_DEFRAG,
    SYSCTLS,
    build_kubelet_config,
    choose_boot_disk_type,
    find_accelerator,
    find_local_ssds,
)
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.zones import check_zones
from novacron_infra.pools import (
    Capacity,
    NodeGroupShape,
    NodePoolShape,
    Placement,
    build_node_labels,
    build_node_taints,
)
from novacron_infra.tags import Tags

_RESERVATION_KEY = "compute.googleapis.com/reservation-name"
_MAX_UNAVAILABLE_SHARE = 4
"""Divisor of the number of nodes that are updated at the same time."""
_MOST_UNAVAILABLE = 20
_BOOT_DISK_GB = (50, 65_536)
LONGEST_POOL_NAME = 26
"""Maximum length of a component's name without `pool`.

GKE limits a node pool's name to 40 characters; the suffix -nodes and the 8 characters that Pulumi appends take 14.
"""
_POOL = re.compile(r"[a-z][a-z0-9-]{0,18}")
"""At most 19 characters: the suffix, a digest of 7 characters and what Pulumi appends take 21 of GKE's 40."""
_DIGEST_LENGTH = 6
_LONGEST_RUN_S = 7 * 86_400
_SHORTEST_RUN_S = 600


class GpuDriver(str, Enum):
    """Which driver GKE installs. A change replaces the pool."""

    DEFAULT = "DEFAULT"
    """The one that was tested with the nodes' version."""
    LATEST = "LATEST"


@dataclass(frozen=True, kw_only=True, slots=True)
class GkeNodePoolArgs:
    """A pool, and what it is put into."""

    shape: NodePoolShape
    region: str
    cluster_name: pulumi.Input[str]
    node_account_email: pulumi.Input[str]
    disk_key_id: pulumi.Input[str]
    tags: Tags
    pool: str | None = None
    """Name of the node pools in their cluster, before the suffix. None: the component's name. Changes replace them."""
    fabric_interfaces: Sequence[FabricInterface] = ()
    """Those of a `GcpFabric` for this machine and zone."""
    automatic_fabric: bool = False
    """Instead of them: GKE makes the fabric's networks itself."""
    gpu_driver: GpuDriver = GpuDriver.DEFAULT
    local_ssds: int | None = None
    """Disks of 375 GB for images, pods' files and logs. None: what the machine comes with."""
    boot_disk_gb: int = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class GkeNodePoolResources:
    """Resources of the pool. Node pools are by suffix, as in the shape."""

    node_pools: dict[str, gcp.container.NodePool]


class GkeNodePool(pulumi.ComponentResource):
    """Nodes for coordinators, GPU workers or storage.

    Raises:
        ArgumentError: choices that exclude each other, a zone elsewhere, a fabric without its networks.
    """

    resources: GkeNodePoolResources
    node_pool_names: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: GkeNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name, LONGEST_POOL_NAME if args.pool is None else NAME_CHARACTERS),
                *check_labels(name, args.tags),
                *check_pool(name, args.shape),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:GkeNodePool", name, None, opts)
        self._name, self._args, self._machine_type = name, args, find_machine(args.shape.machine)
        pools = {suffix: self._node_pool(suffix, group) for suffix, group in args.shape.groups.items()}
        self.resources = GkeNodePoolResources(node_pools=pools)
        self.node_pool_names = {suffix: pool.name for suffix, pool in pools.items()}
        self.register_outputs({"node_pool_names": list(self.node_pool_names.values())})

    def _node_pool(self, suffix: str, group: NodeGroupShape) -> gcp.container.NodePool:
        args, shape = self._args, self._args.shape
        has_gpus, scheduled = self._machine_type.gpu is not None, group.capacity in SCHEDULED
        nodes_per_zone = group.nodes // len(shape.zones)
        return gcp.container.NodePool(
            make_resource_name(self._name, args.pool, suffix),
            cluster=args.cluster_name,
            location=args.region,
            node_locations=sorted(shape.zones),  # a set, as in the cluster
            node_count=None if group.scaled else nodes_per_zone,
            initial_node_count=nodes_per_zone if group.scaled else None,
            autoscaling=gcp.container.NodePoolAutoscalingArgs(
                total_min_node_count=group.minimum_nodes,
                total_max_node_count=group.maximum_nodes,
                # Scarce capacity is taken where it is; the rest is spread over the zones.
                location_policy="BALANCED" if group.capacity is Capacity.ON_DEMAND else "ANY",
            )
            if group.scaled
            else None,
            # A scheduled node has an end: repairing it would ask the scheduler for another one.
            management=gcp.container.NodePoolManagementArgs(auto_repair=not scheduled, auto_upgrade=True),
            # A GPU node is removed before its replacement is created, so updates need no additional GPUs.
            upgrade_settings=gcp.container.NodePoolUpgradeSettingsArgs(
                strategy="SURGE",
                max_surge=0 if has_gpus else 1,
                max_unavailable=calculate_max_unavailable(group) if has_gpus else 0,
            ),
            placement_policy=gcp.container.NodePoolPlacementPolicyArgs(type="COMPACT")
            if shape.placement is Placement.CLUSTER
            else None,
            queued_provisioning=gcp.container.NodePoolQueuedProvisioningArgs(enabled=True)
            if group.capacity is Capacity.QUEUED
            else None,
            network_config=self._network_config(),
            node_config=self._node_config(group),
            opts=pulumi.ResourceOptions(
                parent=self,
                aliases=None if args.pool is None else [pulumi.Alias(name=f"{self._name}-{suffix}")],
                # It counts when the pool is created. Another number, or none, would replace a pool that runs.
                ignore_changes=["initialNodeCount"],
                # A replacement must not need the GPUs, or the reservation, twice.
                delete_before_replace=has_gpus,
            ),
        )

    def _network_config(self) -> gcp.container.NodePoolNetworkConfigArgs:
        args = self._args
        return gcp.container.NodePoolNetworkConfigArgs(
            enable_private_nodes=True,
            accelerator_network_profile="auto" if args.automatic_fabric else None,
            additional_node_network_configs=[
                gcp.container.NodePoolNetworkConfigAdditionalNodeNetworkConfigArgs(
                    network=interface.network, subnetwork=interface.subnet
                )
                for interface in args.fabric_interfaces
            ]
            or None,
        )

    def _node_config(self, group: NodeGroupShape) -> gcp.container.NodePoolNodeConfigArgs:
        args, machine_type = self._args, self._machine_type
        config = gcp.container
        gpu, disks, kubelet = (
            find_accelerator(machine_type),
            _disks(args, machine_type),
            build_kubelet_config(machine_type),
        )
        return config.NodePoolNodeConfigArgs(
            machine_type=machine_type.name,
            image_type="COS_CONTAINERD",
            service_account=args.node_account_email,
            oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
            guest_accelerators=[
                config.NodePoolNodeConfigGuestAcceleratorArgs(
                    type=gpu,
                    count=machine_type.gpu_count,
                    gpu_driver_installation_config=(
                        config.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
                            gpu_driver_version=args.gpu_driver.value
                        )
                    ),
                )
            ]
            if gpu is not None
            else None,
            taints=[
                config.NodePoolNodeConfigTaintArgs(key=key, value=value, effect="NO_SCHEDULE")
                for key, value in build_node_taints(group, machine_type).items()
            ]
            or None,
            labels=build_node_labels(args.shape, machine_type),
            spot=True if group.capacity is Capacity.SPOT else None,
            flex_start=True if group.capacity is Capacity.FLEX_START else None,
            max_run_duration=f"{args.shape.longest_run_s or _LONGEST_RUN_S}s" if group.capacity in SCHEDULED else None,
            reservation_affinity=_reservation(args.shape),
            disk_type=choose_boot_disk_type(machine_type),
            disk_size_gb=args.boot_disk_gb,
            boot_disk_kms_key=args.disk_key_id,
            ephemeral_storage_local_ssd_config=config.NodePoolNodeConfigEphemeralStorageLocalSsdConfigArgs(
                local_ssd_count=disks
            )
            if disks
            else None,
            gvnic=config.NodePoolNodeConfigGvnicArgs(enabled=True),
            # Containers of many GB start while their images still arrive.
            gcfs_config=config.NodePoolNodeConfigGcfsConfigArgs(enabled=True),
            linux_node_config=config.NodePoolNodeConfigLinuxNodeConfigArgs(
                sysctls=SYSCTLS,
                transparent_hugepage_enabled=HUGE_PAGES,
                transparent_hugepage_defrag=HUGE_PAGES_DEFRAG,
            ),
            kubelet_config=config.NodePoolNodeConfigKubeletConfigArgs(
                insecure_kubelet_readonly_port_enabled="FALSE",
                cpu_manager_policy=kubelet.cpu_manager_policy if kubelet else None,
                topology_manager=config.NodePoolNodeConfigKubeletConfigTopologyManagerArgs(
                    policy=kubelet.topology_manager_policy
                )
                if kubelet
                else None,
            ),
            shielded_instance_config=config.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            # Pods have identities of their own and never see the node's.
            workload_metadata_config=config.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            metadata={"disable-legacy-endpoints": "true"},
            resource_labels=build_labels(args.tags, args.shape.role.value),
        )


def make_resource_name(component: str, pool: str | None, suffix: str) -> str:
    """Return the name of a node pool in the stack, from which Pulumi makes its name in the cluster.

    The provider refuses a `name_prefix`, because Pulumi always sets `name` as well. With `pool`, a digest of the
    component's name distinguishes the pools of different clusters in one stack.
    """
    if pool is None:
        return f"{component}-{suffix}"
    return f"{pool}-{suffix}-{sha256(component.encode()).hexdigest()[:_DIGEST_LENGTH]}"


def calculate_max_unavailable(group: NodeGroupShape) -> int:
    """How many nodes an update takes away at a time: a quarter, one at least, 20 as GKE's own limit."""
    return min(max(1, group.nodes // _MAX_UNAVAILABLE_SHARE), _MOST_UNAVAILABLE)


def _reservation(shape: NodePoolShape) -> gcp.container.NodePoolNodeConfigReservationAffinityArgs | None:
    if shape.capacity in SCHEDULED:
        return gcp.container.NodePoolNodeConfigReservationAffinityArgs(consume_reservation_type="NO_RESERVATION")
    if shape.reservation_id is None:
        return None
    block = shape.reservation_placement_group
    value = shape.reservation_id if block is None else f"{shape.reservation_id}/reservationBlocks/{block}"
    return gcp.container.NodePoolNodeConfigReservationAffinityArgs(
        consume_reservation_type="SPECIFIC_RESERVATION", key=_RESERVATION_KEY, values=[value]
    )


def _disks(args: GkeNodePoolArgs, machine_type: Machine) -> int:
    return find_local_ssds(machine_type).default if args.local_ssds is None else args.local_ssds


def _check_args(name: str, args: GkeNodePoolArgs) -> list[Problem]:
    found = list(check_zones(f"{name}.zones", args.shape.zones, Cloud.GCP, args.region))
    if args.pool is not None and not _POOL.fullmatch(args.pool):
        rule, fix = "it is not a valid name for a node pool", "Use at most 19 of a-z, 0-9 and -, starting with a letter"
        found.append(Problem(f"{name}.pool", args.pool, rule, fix))
    for field, value, (low, high) in (
        ("boot_disk_gb", args.boot_disk_gb, _BOOT_DISK_GB),
        ("longest_run_s", args.shape.longest_run_s or _LONGEST_RUN_S, (_SHORTEST_RUN_S, _LONGEST_RUN_S)),
    ):
        if not low <= value <= high:
            found.append(Problem(f"{name}.{field}", str(value), f"it is outside {low} to {high}", "Stay within"))
    return [*found, *_check_disks(name, args), *_check_fabric(name, args)]


def _check_disks(name: str, args: GkeNodePoolArgs) -> list[Problem]:
    machine_type = load_machines().get(args.shape.machine)
    if machine_type is None or args.local_ssds is None or args.local_ssds in find_local_ssds(machine_type).allowed:
        return []
    allowed = ", ".join(map(str, find_local_ssds(machine_type).allowed))
    rule = f"{machine_type.name} has {allowed} local disks"
    return [Problem(f"{name}.local_ssds", str(args.local_ssds), rule, "Use one of these numbers, or leave it out")]


def _check_fabric(name: str, args: GkeNodePoolArgs) -> list[Problem]:
    given, field = len(args.fabric_interfaces), f"{name}.fabric_interfaces"
    if given and args.automatic_fabric:
        rule = "GKE either makes the fabric's networks or takes these"
        return [Problem(f"{name}.automatic_fabric", "True", rule, "Leave one of the two out")]
    if args.shape.fabric is None:
        if given or args.automatic_fabric:
            what = field if given else f"{name}.automatic_fabric"
            value = f"{given} interfaces" if given else "True"
            return [Problem(what, value, "the pool has no fabric", "Remove it, or name the machine's fabric")]
        return []
    machine_type = load_machines().get(args.shape.machine)
    if (
        args.automatic_fabric
        or machine_type is None
        or machine_type.fabric is None
        or machine_type.fabric.kind is not args.shape.fabric
    ):
        return []  # or `check_pool` says what is wrong
    needed = count_fabric_interfaces(machine_type.name)
    if given == needed:
        return []
    rule = f"{args.shape.fabric.value} of {args.shape.machine} takes {needed}"
    fix = "Pass those of a GcpFabric for this machine, or use automatic_fabric"
    return [Problem(field, f"{given} interfaces", rule, fix)]
