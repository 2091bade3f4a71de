"""A node pool in any cloud: a role, a machine type, node counts, and three independent choices.

Fabric is how GPUs of different nodes talk, placement is how close the nodes are, capacity is how they are obtained.
What excludes what is here as far as it holds in every cloud; each cloud adds its own rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from novacron_infra.catalog import Capacity, Cloud, FabricKind, Machine, load_machines, suggest_names
from novacron_infra.errors import Problem


class NodeRole(str, Enum):
    """Purpose of a pool's nodes, and the value of their label NODE_TYPE_LABEL."""

    COORDINATOR = "coordinator"
    WORKER = "worker"
    STORAGE = "storage"


class Placement(str, Enum):
    """How close to each other the nodes are."""

    NONE = "none"
    CLUSTER = "cluster"
    """A new placement group of the pool's own."""
    FROM_RESERVATION = "from-reservation"
    """In the reservation's group. A group of the pool itself would make launches fail."""


_OF_ONE_CLOUD = {Capacity.CAPACITY_BLOCK: Cloud.AWS, Capacity.FLEX_START: Cloud.GCP, Capacity.QUEUED: Cloud.GCP}
RESERVED = (Capacity.RESERVATION, Capacity.CAPACITY_BLOCK)
NODE_TYPE_LABEL = "novacron.io/node-type"
"""Label with the purpose of a node, a `NodeRole`."""
GPU_TAINT = "nvidia.com/gpu"
"""Key of the taint that keeps pods without GPUs off GPU nodes; also the name of the Kubernetes resource."""
GPU_COUNT_LABEL = "nvidia.com/gpu.count"
"""Label with the number of GPUs of a node. Every pool sets it on its GPU nodes, and on no others."""
AZURE_SPOT = "kubernetes.azure.com/scalesetpriority"
"""Key of the label and of the taint that AKS gives to spot nodes. Both have the value `spot`."""
EFA_RESOURCE = "vpc.amazonaws.com/efa"
"""Kubernetes resource of the EFA device plugin. A node has as many as it has interfaces."""
INFINIBAND_RESOURCE = "rdma/ib"
"""Resource of NVIDIA's network operator on AKS. It counts pods of a node, not interfaces: 1 gives a pod all of them."""
INFINIBAND_PODS = 63
"""Pods of a node that may use InfiniBand at the same time."""
_GPU_TAINT_VALUES = {Cloud.AWS: "true", Cloud.GCP: "present", Cloud.AZURE: "true"}
"""GKE adds the taint itself. Another value would make the pool's taints differ from the program's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeGroupShape:
    """Nodes of one capacity kind: what the cloud calls a group."""

    capacity: Capacity
    nodes: int
    minimum_nodes: int
    maximum_nodes: int
    zones: tuple[str, ...] = ()
    """Zones of the nodes. None: Azure chooses."""

    @property
    def scaled(self) -> bool:
        """Whether an autoscaler owns the number of nodes."""
        return self.minimum_nodes != self.maximum_nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePoolShape:
    """A pool. All plain values: counts, zones and choices decide which resources there are."""

    role: NodeRole
    machine: str
    """A machine of the catalogue."""
    nodes: int
    """Nodes at the start."""
    zones: tuple[str, ...]
    """Availability zones; exactly one if nodes must be close or the reservation is in one.

    Azure also accepts none and then chooses: naming a zone for GPUs often fails there.
    """
    minimum_nodes: int | None = None
    """With `maximum_nodes`: an autoscaler owns the number of nodes. Neither: it stays `nodes`."""
    maximum_nodes: int | None = None
    fabric: FabricKind | None = None
    """None: the GPUs of different nodes talk over ordinary networking."""
    placement: Placement = Placement.NONE
    capacity: Capacity = Capacity.ON_DEMAND
    on_demand_nodes: int | None = None
    """With spot: number of on-demand nodes, which stay when spot capacity is gone."""
    reservation_id: str | None = None
    """The reservation or capacity block to launch into."""
    reservation_placement_group: str | None = None
    """Placement group of the reservation; on Google Cloud, a block of the reservation."""
    longest_run_s: int | None = None
    """With flex-start and queued capacity: when Google Cloud takes a node away, 600 to 604800. None: after 7 days."""
    nodes_per_replica: int = 1
    """Nodes that one replica of the model spans (pipeline stages)."""

    @property
    def autoscaled(self) -> bool:
        """Whether something else than this program decides how many nodes there are."""
        return self.minimum_nodes is not None

    @property
    def groups(self) -> dict[str, NodeGroupShape]:
        """The groups by the suffix of their name: `nodes`, and with spot the nodes above them.

        With spot, `nodes` are the floor: turning spot on or off changes their number and replaces nothing.
        """
        minimum = self.nodes if self.minimum_nodes is None else self.minimum_nodes
        maximum = self.nodes if self.maximum_nodes is None else self.maximum_nodes
        if self.capacity is not Capacity.SPOT or self.on_demand_nodes is None:
            whole = NodeGroupShape(
                capacity=self.capacity,
                nodes=self.nodes,
                minimum_nodes=minimum,
                maximum_nodes=maximum,
                zones=self.zones,
            )
            return {"nodes": whole}
        floor = self.on_demand_nodes
        return {
            "nodes": NodeGroupShape(
                capacity=Capacity.ON_DEMAND,
                nodes=floor,
                minimum_nodes=floor,
                maximum_nodes=floor,
                zones=self.zones,
            ),
            "spot": NodeGroupShape(
                capacity=Capacity.SPOT,
                nodes=self.nodes - floor,
                minimum_nodes=max(0, minimum - floor),
                maximum_nodes=maximum - floor,
                zones=self.zones,
            ),
        }


def split_by_zone(group: NodeGroupShape) -> dict[str, NodeGroupShape]:
    """Return a group for each of its zones, by zone, for clouds that cannot change the zones of a group.

    Nodes are shared evenly; the first zones get what is left over. An autoscaled group may have the whole maximum in
    each zone, so that it grows where there is capacity; the number of pods limits their sum. Zones without nodes have
    no group. A group without zones has the key "".
    """
    if not group.zones:
        return {"": group}
    split: dict[str, NodeGroupShape] = {}
    for place, zone in enumerate(group.zones):
        nodes, minimum = (_share(count, len(group.zones), place) for count in (group.nodes, group.minimum_nodes))
        maximum = group.maximum_nodes if group.scaled else nodes
        if maximum:
            split[zone] = replace(group, nodes=nodes, minimum_nodes=minimum, maximum_nodes=maximum, zones=(zone,))
    return split


def _share(count: int, shares: int, place: int) -> int:
    return count // shares + (1 if place < count % shares else 0)


def build_node_labels(shape: NodePoolShape, machine_type: Machine) -> dict[str, str]:
    """Kubernetes labels of a pool's nodes."""
    labels = {NODE_TYPE_LABEL: shape.role.value, "novacron.io/workload": "llm-inference"}
    return labels | ({GPU_COUNT_LABEL: str(machine_type.gpu_count)} if machine_type.gpu else {})


def build_node_taints(group: NodeGroupShape, machine_type: Machine) -> dict[str, str]:
    """Return the taints of a group's nodes, values by key. Their effect is NoSchedule.

    AKS adds the taint of spot nodes itself; declaring it avoids a permanent diff.
    """
    taints = {GPU_TAINT: _GPU_TAINT_VALUES[machine_type.cloud]} if machine_type.gpu else {}
    spot = machine_type.cloud is Cloud.AZURE and group.capacity is Capacity.SPOT
    return taints | ({AZURE_SPOT: "spot"} if spot else {})


def count_devices(shape: NodePoolShape, machine_type: Machine) -> dict[str, int]:
    """Return the devices that each node of a pool offers to pods, numbers by the name of the resource.

    GKE gives pods the interfaces of a fabric by annotations, so its fabrics are not here.
    """
    devices = {GPU_TAINT: machine_type.gpu_count} if machine_type.gpu else {}
    if shape.fabric is FabricKind.EFA and machine_type.fabric is not None:
        devices[EFA_RESOURCE] = machine_type.fabric.interfaces
    if shape.fabric is FabricKind.INFINIBAND:
        devices[INFINIBAND_RESOURCE] = INFINIBAND_PODS
    return devices


def check_shape(path: str, shape: NodePoolShape, cloud: Cloud) -> list[Problem]:
    """Yield the problems of a pool in any cloud. `path` is the pool's name, the prefix of the fields' paths."""
    machine_type = load_machines().get(shape.machine)
    rules = (
        _check_machine,
        _check_sale,
        _check_counts,
        _check_reservation,
        _check_placement,
        _check_fabric,
        _check_zones,
    )
    return [
        Problem(f"{path}.{field}", str(value), rule, fix)
        for check in rules
        for field, value, rule, fix in check(shape, machine_type, cloud)
    ]


_Finding = tuple[str, object, str, str]
"""Field, value, rule, fix."""


def _check_machine(shape: NodePoolShape, machine_type: Machine | None, cloud: Cloud) -> Iterator[_Finding]:
    if machine_type is None:
        fix = suggest_names(shape.machine, load_machines())
        yield "machine", shape.machine, "the machine must be in the catalogue", fix
    elif machine_type.cloud is not cloud:
        rule = f"it is a machine of {machine_type.cloud.value}, not {cloud.value}"
        yield "machine", shape.machine, rule, f"Take a machine of {cloud.value}"
    elif machine_type.unsupported_because is not None:
        yield "machine", shape.machine, machine_type.unsupported_because, "Take another machine"
    elif shape.role is NodeRole.WORKER and machine_type.gpu is None:
        yield "machine", shape.machine, "workers need GPUs and it has none", "Take a machine with GPUs"


def _check_sale(shape: NodePoolShape, machine_type: Machine | None, _cloud: Cloud) -> Iterator[_Finding]:
    sold = machine_type.sold if machine_type else None
    if machine_type is None or sold is None:
        return
    fix = f"Use {' or '.join(item.value for item in sold.usable)}, or another machine"
    if _OF_ONE_CLOUD.get(shape.capacity, machine_type.cloud) is not machine_type.cloud:
        return  # the cloud's own rules report it
    not_sold = f"{machine_type.cloud.value} does not sell {machine_type.name} so {sold.reference}"
    if shape.capacity not in sold.capacities:
        yield "capacity", shape.capacity.value, not_sold, fix
    elif shape.capacity not in sold.usable:
        rule = f"its floor is on demand, and {not_sold}"
        yield "capacity", shape.capacity.value, rule, fix
    if shape.capacity is Capacity.FLEX_START and shape.placement is Placement.CLUSTER and not sold.compact_flex_start:
        rule = f"flex-start nodes of type {machine_type.name} cannot be placed close together {sold.reference}"
        yield "placement", shape.placement.value, rule, "Use none, or another capacity"


def _check_counts(shape: NodePoolShape, _machine_type: Machine | None, _cloud: Cloud) -> Iterator[_Finding]:
    low, high = shape.minimum_nodes, shape.maximum_nodes
    if (low is None) != (high is None):
        field = "minimum_nodes" if low is None else "maximum_nodes"
        yield field, None, "an autoscaled pool has both bounds", "State minimum_nodes and maximum_nodes, or neither"
    elif low is not None and high is not None and not (0 <= low <= shape.nodes <= high and high > 0):
        rule = f"it is outside minimum_nodes {low} to maximum_nodes {high}"
        yield "nodes", shape.nodes, rule, "Widen the bounds or change the count"
    elif low is None and shape.nodes < 1:
        yield "nodes", shape.nodes, "a pool that nothing scales needs nodes", "Use 1 or more, or state bounds"
    if shape.nodes_per_replica < 1:
        yield "nodes_per_replica", shape.nodes_per_replica, "a replica has at least one node", "Use 1 or more"
    floor = shape.on_demand_nodes
    if shape.capacity is Capacity.SPOT:
        if floor is None or not 1 <= floor < (high or shape.nodes) or floor > shape.nodes:
            rule = f"spot needs a floor of on-demand nodes, from 1 and below the {high or shape.nodes} of the pool"
            yield "on_demand_nodes", floor, rule, "State how many nodes stay when spot capacity is gone"
    elif floor is not None:
        rule = f"capacity {shape.capacity.value} has no floor, only spot has"
        yield "on_demand_nodes", floor, rule, "Remove it, or use capacity spot"


def _check_reservation(shape: NodePoolShape, _machine_type: Machine | None, _cloud: Cloud) -> Iterator[_Finding]:
    reserved = shape.capacity in RESERVED
    if reserved and shape.reservation_id is None:
        rule = f"capacity {shape.capacity.value} launches into one"
        yield "reservation_id", None, rule, "Name the reservation, or use capacity on-demand"
    if not reserved and shape.reservation_id is not None:
        rule = f"capacity {shape.capacity.value} cannot launch into a reservation"
        yield "reservation_id", shape.reservation_id, rule, "Remove it, or use capacity reservation"


def _check_placement(shape: NodePoolShape, _machine_type: Machine | None, _cloud: Cloud) -> Iterator[_Finding]:
    reserved = shape.capacity in RESERVED
    if shape.placement is Placement.CLUSTER and reserved:
        rule = f"a {shape.capacity.value} has a placement of its own, and a second one makes launches fail"
        yield "placement", shape.placement.value, rule, "Use from-reservation, or none"
    if shape.placement is Placement.FROM_RESERVATION and not reserved:
        rule = f"capacity {shape.capacity.value} has no reservation to take it from"
        yield "placement", shape.placement.value, rule, "Use cluster or none, or capacity reservation"
    if shape.reservation_placement_group is not None and shape.placement is not Placement.FROM_RESERVATION:
        rule = f"placement {shape.placement.value} does not take the reservation's group"
        yield "reservation_placement_group", shape.reservation_placement_group, rule, "Use placement from-reservation"


def _check_fabric(shape: NodePoolShape, machine_type: Machine | None, _cloud: Cloud) -> Iterator[_Finding]:
    if shape.fabric is not None and machine_type is not None:
        has = None if machine_type.fabric is None else machine_type.fabric.kind
        if has is not shape.fabric:
            rule = f"{machine_type.name} has {'no fabric' if has is None else has.value}"
            fix = "Remove it, or take a machine that has it" if has is None else f"Use {has.value}"
            yield "fabric", shape.fabric.value, rule, fix
    if shape.fabric is None and shape.nodes_per_replica > 1:
        rule = f"a replica of {shape.nodes_per_replica} nodes would send tensors over ordinary networking"
        yield "fabric", None, rule, "Use the machine's fabric, or a shape of the model that fits one node"


def _check_zones(shape: NodePoolShape, _machine_type: Machine | None, cloud: Cloud) -> Iterator[_Finding]:
    shown = ", ".join(shape.zones) or "none"
    if (not shape.zones and cloud is not Cloud.AZURE) or len(set(shape.zones)) != len(shape.zones):
        yield "zones", shown, "a pool has at least one zone, each once", "Name the zones"
    elif len(shape.zones) > 1:
        reasons = {
            f"fabric {shape.fabric.value}" if shape.fabric else "": shape.fabric is not None,
            f"placement {shape.placement.value}": shape.placement is not Placement.NONE,
            f"capacity {shape.capacity.value}": shape.capacity in RESERVED,
            f"nodes_per_replica {shape.nodes_per_replica}": shape.nodes_per_replica > 1,
        }
        why = [reason for reason, holds in reasons.items() if holds]
        if why:
            yield "zones", shown, f"several zones exclude {' and '.join(why)}", "Name one zone, or a pool for each"
