"""The nodes of a region as Node objects: what its cloud's node pools give to Kubernetes, from the plan of a stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from novacron_infra.catalog import Cloud, Machine, find_machine
from novacron_infra.config.sections.regions import Region
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.plan.pools import plan_node_pools
from novacron_infra.pools import (
    AZURE_SPOT,
    EFA_RESOURCE,
    NodeGroupShape,
    NodePoolShape,
    build_node_labels,
    build_node_taints,
    count_devices,
)

from tools.cluster.binaries import ClusterError
from tools.cluster.simulated_nodes import ANNOTATION

_OFFERED_FRACTION = 0.97
"""CPU and memory that a node offers to pods. The rest is the system's: an assumption, near what EKS reserves."""
_DISK_FRACTION = 0.9
"""Disk that a node offers to pods: the kubelet keeps 10% free."""
_ROOT_DISK_GB = 200
"""Disk of a machine whose local disks pods do not use."""
_EFA_HUGE_PAGES = 5128
"""Huge pages of 2 MiB that the image of nodes with EFA reserves."""
_PODS = 110
"""Pods of a node: the kubelet's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedNode:
    """A node, as its cloud adds it to the cluster."""

    name: str
    role: str
    """Value of the label with the node's purpose, a `NodeRole`."""
    machine: str
    zone: str
    labels: Mapping[str, str]
    taints: Mapping[str, str]
    """Values by key. Their effect is NoSchedule."""
    resources: Mapping[str, str]
    """Quantities that the node offers to pods, by resource."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """The GPUs and network interfaces among the resources."""

    def make_object(self) -> dict[str, object]:
        """Return the Node object, which kwok reports as ready."""
        taints = [{"key": key, "value": value, "effect": "NoSchedule"} for key, value in self.taints.items()]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "annotations": {ANNOTATION: "fake"}, "labels": dict(self.labels)},
            "spec": {"taints": taints},
            "status": {"allocatable": dict(self.resources), "capacity": dict(self.resources)},
        }


def list_nodes(plan: EnvironmentPlan, region: str | None = None) -> list[PlannedNode]:
    """Return the nodes that a region starts with.

    Args:
        plan: the plan of the environment.
        region: name of the region. None: the first one.

    Raises:
        ClusterError: the environment has no such region.
    """
    regions = {item.name: item for item in plan.config.regions}
    name = region or next(iter(regions))
    if name not in regions:
        raise ClusterError(f"--region {name}: the stack has no such region; its regions are {', '.join(regions)}")
    (region_plan,) = [item for item in plan.regions if item.name == name]
    pools = plan_node_pools(plan, region_plan, regions[name].zones)
    return [node for pool, shape in pools.items() for node in _list_pool(pool, shape, regions[name])]


def describe_nodes(nodes: Sequence[PlannedNode]) -> list[str]:
    """Return a line for each kind of node: number, machine, purpose, zones and devices."""
    kinds = Counter((node.role, node.machine) for node in nodes)
    lines: list[str] = []
    for (role, machine), count in kinds.items():
        same = [node for node in nodes if (node.role, node.machine) == (role, machine)]
        zones = ", ".join(dict.fromkeys(node.zone for node in same))
        devices = "".join(f", {number} × {name}" for name, number in same[0].devices.items())
        taints = "".join(f", taint {key}" for key in same[0].taints)
        lines.append(f"{count} × {machine} {role} in {zones}{devices}{taints}")
    return lines


def _list_pool(pool: str, shape: NodePoolShape, region: Region) -> Iterator[PlannedNode]:
    machine_type = find_machine(shape.machine)
    for suffix, group in shape.groups.items():
        prefix = pool if suffix == "nodes" else f"{pool}-{suffix}"
        zones = _list_zones(machine_type.cloud, region.name, shape.zones)
        for index, zone in enumerate(islice(cycle(zones), group.nodes)):
            yield _make_node(f"{prefix}-{index}", shape, group, (region.name, zone))


def _list_zones(cloud: Cloud, region: str, zones: Iterable[str]) -> list[str]:
    """Return the values of the zone label. AKS puts the region before the number, and calls no zone 0."""
    if cloud is Cloud.AZURE:
        return [f"{region}-{zone}" for zone in zones] or ["0"]
    return list(zones)


def _make_node(name: str, shape: NodePoolShape, group: NodeGroupShape, place: tuple[str, str]) -> PlannedNode:
    machine_type = find_machine(shape.machine)
    taints, devices = build_node_taints(group, machine_type), count_devices(shape, machine_type)
    region, zone = place
    labels = {
        **build_node_labels(shape, machine_type),
        **{key: value for key, value in taints.items() if key == AZURE_SPOT},
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": machine_type.name,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
    }
    return PlannedNode(
        name=name,
        role=shape.role.value,
        machine=machine_type.name,
        zone=zone,
        labels=labels,
        taints=taints,
        resources=_list_resources(machine_type, devices),
        devices=devices,
    )


def _list_resources(machine_type: Machine, devices: Mapping[str, int]) -> dict[str, str]:
    # Azure's nodes keep pods' files on their system disk; see `plan_cache`.
    local_gb = 0 if machine_type.cloud is Cloud.AZURE else machine_type.local_nvme_gb or 0
    resources = {
        "cpu": f"{int(machine_type.vcpus * _OFFERED_FRACTION * 1000)}m",
        "memory": f"{int(machine_type.memory_gib * _OFFERED_FRACTION)}Gi",
        "ephemeral-storage": f"{int((local_gb or _ROOT_DISK_GB) * 1e9 * _DISK_FRACTION)}",
        "pods": str(_PODS),
        **{name: str(count) for name, count in devices.items()},
    }
    if EFA_RESOURCE in devices:
        resources["hugepages-2Mi"] = f"{_EFA_HUGE_PAGES * 2}Mi"
    return resources
