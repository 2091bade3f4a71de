"""How many nodes fit into the network of a region. Components cut it into subnets in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_infra.config import CloudEnvironment, Platform, Region
from novacron_infra.config.problems import item_path, problem
from novacron_infra.errors import Problem
from novacron_infra.plan.regions import RegionPlan

# aws/amazon-vpc-cni-k8s, docs/eni-and-ip-target.md and issue 2793, read on 2026-11-30: vpc-cni keeps a spare network
# interface on each node, and large machines have 50 addresses on each interface.
_EKS_ADDRESSES = 100
"""Addresses that an EKS node may take."""
_EKS_RESERVED, _GCP_RESERVED, _AZURE_RESERVED = 5, 4, 5
"""Addresses that each cloud keeps in a subnet, by its documentation of subnets, read on 2026-11-30."""
# GKE, "Configure maximum Pods per node": 64 pods get a /25. AKS, "Azure CNI Overlay networking". Read on 2026-11-30.
_GKE_PODS_PREFIX, _AKS_PODS_PREFIX = 25, 24
"""Prefix lengths of the addresses for the pods of one node."""
_AKS_CLUSTER_PREFIX = 16
_AKS_SYSTEM_NODES = 4
"""Three for AKS's own pods, and one more during an upgrade."""


def check_addresses(config: CloudEnvironment, regions: Sequence[RegionPlan], spans_nodes: bool) -> Iterator[Problem]:
    """Yield a problem for each region whose network has no room for its nodes at the maximum of workers.

    Args:
        config: the environment.
        regions: the plan of its regions, in the order of the configuration.
        spans_nodes: whether a replica spans nodes, which are then all in the first zone.
    """
    for index, (region, planned) in enumerate(zip(config.regions, regions, strict=True)):
        workers = planned.maximum_nodes
        others = sum(item.count for item in planned.machines if item.role != "workers")
        room, reason = _count_room(region, planned.platform)
        needed = workers + others
        if planned.platform is Platform.AWS and spans_nodes and workers * len(region.zones) > room:
            # All workers are in the subnet of one zone.
            room, needed = room // len(region.zones), workers
            reason += ", and replicas that span nodes stay in one zone"
        if needed > room and not _has_own_network(region):
            path = f"{item_path('regions', config.regions, index)}.network"
            rule = f"it has room for {room} nodes, and the region has up to {needed}: {reason}"
            fix = "Use a larger network, such as a /16, or lower workers.maximum"
            yield problem(path, str(region.network), rule, fix)


def _count_room(region: Region, platform: Platform) -> tuple[int, str]:
    """Return the number of nodes that fit, and what limits it."""
    prefix = region.network.prefixlen
    if platform is Platform.AWS:
        subnet = 2 ** (30 - prefix) - _EKS_RESERVED
        reason = f"a node takes up to {_EKS_ADDRESSES} of the {subnet} addresses of its zone"
        return len(region.zones) * (subnet // _EKS_ADDRESSES), reason
    if platform is Platform.GCP:
        nodes, pods = 2 ** (30 - prefix) - _GCP_RESERVED, 2 ** (_GKE_PODS_PREFIX - prefix - 1)
        return min(nodes, pods), f"half of it is for pods, and each node takes a /{_GKE_PODS_PREFIX}"
    nodes = 2 ** (31 - prefix) - _AZURE_RESERVED
    pods = 2 ** (_AKS_PODS_PREFIX - _AKS_CLUSTER_PREFIX)
    reason = f"the cluster's pods have a /{_AKS_CLUSTER_PREFIX}, of which each node takes a /{_AKS_PODS_PREFIX}"
    return min(nodes, pods) - _AKS_SYSTEM_NODES, reason


def _has_own_network(region: Region) -> bool:
    """Whether the subnets of the region exist, and have sizes of their own."""
    existing = region.existing
    return any(part is not None and part.network is not None for part in (existing.aws, existing.gcp, existing.azure))
