"""A VPC network that exists: lookups of what it and its subnet must have. Nothing here declares a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi_gcp as gcp

from novacron_infra.config import ExistingGoogleNetwork
from novacron_infra.existing import Lookups, differs, find_or_none, is_reported
from novacron_infra.pools import NodePoolShape

POD_ADDRESSES_PER_NODE = 128
"""A node with 64 pods takes a /25 of the pods' range.

GKE documentation, "Configure maximum Pods per node", read on 2026-11-30.
"""
RESERVED_ADDRESSES = 4
"""Addresses of each primary range that Google Cloud keeps (VPC documentation, "Unusable addresses")."""
_SERVICES_PEERING = "servicenetworking-googleapis-com"
"""Name that Google Cloud gives to the peering of private services access."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpNetworkCheck:
    """A network that exists, and what a region asks of it."""

    lookups: Lookups
    existing: ExistingGoogleNetwork
    region: str
    network: IPv4Network
    pools: Mapping[str, NodePoolShape]

    def run(self) -> None:
        """Look up the network and its subnet, and add a problem for everything that they lack."""
        self._check_fabric()
        if self._check_network():
            self._check_peering()
        self._check_subnet()

    def _check_fabric(self) -> None:
        with_fabric = [name for name, shape in self.pools.items() if shape.fabric is not None]
        rule = f"the machines of {', '.join(with_fabric)} have networks between their GPUs, which need addresses"
        holds = not with_fabric or self.existing.fabric is not None
        self.lookups.require(
            holds, "network.fabric", "none", rule, "Write a private network that is free, such as a /20"
        )

    def _check_network(self) -> bool:
        path = self.existing.network
        _, project, _, _, name = path.split("/")
        found = self.lookups.find(
            "network.network",
            path,
            f"network in the project {project}",
            f"gcloud compute networks list --project {project}",
            lambda: gcp.compute.get_network(name=name, project=project, opts=self.lookups.opts),
        )
        return found is not None

    def _check_peering(self) -> None:
        path = self.existing.network
        _, project, _, _, name = path.split("/")
        peering = find_or_none(
            lambda: gcp.compute.get_network_peering(name=_SERVICES_PEERING, network=path, opts=self.lookups.opts)
        )
        rule = "it is not peered with Google Cloud services, where Postgres gets its private address"
        command = (
            f"gcloud services vpc-peerings connect --project {project} --network {name} "
            "--service servicenetworking.googleapis.com --ranges RANGE"
        )
        self.lookups.require(peering is not None, "network.network", path, rule, f"Run `{command}`")

    def _check_subnet(self) -> None:
        key, path = "network.subnet", self.existing.subnet
        _, project, _, _, _, name = path.split("/")
        subnet = self.lookups.find(
            key,
            path,
            f"subnet in {self.region}",
            f"gcloud compute networks subnets list --project {project} --regions {self.region}",
            lambda: gcp.compute.get_subnetwork(name=name, project=project, region=self.region, opts=self.lookups.opts),
        )
        if subnet is None:
            return
        require = self.lookups.require
        update = f"gcloud compute networks subnets update {name} --project {project} --region {self.region}"
        if is_reported(subnet.network):
            rule = f"it is in the network {subnet.network.partition('/projects/')[2]}"
            holds = subnet.network.endswith(self.existing.network)
            require(holds, key, path, rule, f"Name a subnet of {self.existing.network}")
        rule = "private access to Google Cloud is off, and nodes without public addresses reach Cloud Storage by it"
        fix = f"Run `{update} --enable-private-ip-google-access`"
        require(not differs(subnet.private_ip_google_access, True), key, path, rule, fix)
        if is_reported(subnet.ip_cidr_range):
            self._check_primary(key, path, IPv4Network(subnet.ip_cidr_range), update)
        if is_reported(subnet.secondary_ip_ranges):
            ranges = {item.range_name: IPv4Network(item.ip_cidr_range) for item in subnet.secondary_ip_ranges}
            self._check_ranges(ranges, update)

    def _check_primary(self, key: str, path: str, primary: IPv4Network, update: str) -> None:
        rule = f"its primary range is {primary}, and network of the region, {self.network}, does not contain it"
        fix = f"Set network of the region to a network that contains {primary}"
        self.lookups.require(primary.subnet_of(self.network), key, path, rule, fix)
        size, nodes = primary.num_addresses - RESERVED_ADDRESSES, self._count_nodes()
        rule = f"its primary range {primary} has {size} addresses, and the region has up to {nodes} nodes"
        fix = f"Run `{update.replace(' update ', ' expand-ip-range ')} --prefix-length 20`"
        self.lookups.require(size >= nodes, key, path, rule, fix)

    def _check_ranges(self, ranges: Mapping[str, IPv4Network], update: str) -> None:
        known = ", ".join(ranges) or "none"
        for key, name, example in (
            ("pods_range", self.existing.pods_range, "10.128.0.0/17"),
            ("services_range", self.existing.services_range, "10.129.0.0/20"),
        ):
            rule, fix = f"the subnet's secondary ranges are: {known}", f"Run `{update} --add-secondary-ranges"
            self.lookups.require(name in ranges, f"network.{key}", name, rule, f"{fix} {name}={example}`")
        pods = ranges.get(self.existing.pods_range)
        if pods is not None:
            needed = self._count_nodes() * POD_ADDRESSES_PER_NODE
            size = pods.num_addresses
            rule = f"it has {size} addresses ({pods}), and pods take {needed}, {POD_ADDRESSES_PER_NODE} a node"
            holds = size >= needed
            fix = "Name a larger range, or lower workers.maximum"
            self.lookups.require(holds, "network.pods_range", self.existing.pods_range, rule, fix)

    def _count_nodes(self) -> int:
        """Return the nodes of the region when every pool has its most."""
        return sum(pool.maximum_nodes or pool.nodes for pool in self.pools.values())
