"""A virtual network that exists: lookups of what it and its subnets must have. Nothing here declares a resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from pulumi_azure_native import network as azure
from pulumi_azure_native import privatedns

from novacron_infra.azure.private_link import ZONES
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.config import ExistingAzureNetwork
from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.pools import NodePoolShape

RESERVED_ADDRESSES = 5
"""Addresses of each subnet that Azure keeps (Virtual Network documentation, "Azure Virtual Network FAQ")."""
API_SERVER_ADDRESSES = 16
"""The API server's subnet is a /28 or larger (AKS documentation, "API Server VNet Integration")."""
ENDPOINT_ADDRESSES = 16
"""Private endpoints of the region, each with one or two addresses, and what Azure keeps."""
_DELEGATION = "Microsoft.ContainerService/managedClusters"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureNetworkCheck:
    """A network that exists, and what a region asks of it."""

    lookups: Lookups
    existing: ExistingAzureNetwork
    region: str
    network: IPv4Network
    pools: Mapping[str, NodePoolShape]

    def run(self) -> None:
        """Look up the network, its subnets and DNS zones, and add a problem for everything that they lack."""
        id_ = ResourceId.parse(self.existing.vnet_id)
        group, name = id_.group, id_.name
        key, vnet_id = "network.vnet_id", self.existing.vnet_id
        found = self.lookups.find(
            key,
            vnet_id,
            "virtual network",
            f"az network vnet list --resource-group {group} --query [].id",
            lambda: azure.get_virtual_network(
                virtual_network_name=name, resource_group_name=group, opts=self.lookups.opts
            ),
        )
        if found is not None:
            rule = f"it is in {found.location}, and the region is {self.region}"
            holds = not differs(found.location, self.region)
            self.lookups.require(holds, key, vnet_id, rule, f"Name a network in {self.region}")
            if found.address_space is not None:
                self._check_addresses(vnet_id, found.address_space.address_prefixes or [])
            if found.subnets is not None:
                self._check_subnets(group, name, {item.name or "": item for item in found.subnets})
        if self.existing.private_dns_group is not None:
            self._check_zones(self.existing.private_dns_group)

    def _check_addresses(self, vnet_id: str, prefixes: Sequence[str]) -> None:
        blocks = [IPv4Network(prefix) for prefix in prefixes if ":" not in prefix]
        rule = f"it has {', '.join(map(str, blocks))}, and network of the region, {self.network}, is not in that"
        holds = any(self.network.subnet_of(block) for block in blocks)
        fix = f"Set network of the region to {blocks[0]}" if blocks else "Name a network with IPv4 addresses"
        self.lookups.require(holds, "network.vnet_id", vnet_id, rule, fix)

    def _check_subnets(self, group: str, vnet: str, subnets: Mapping[str, azure.outputs.SubnetResponse]) -> None:
        nodes = sum(pool.maximum_nodes or pool.nodes for pool in self.pools.values())
        known = ", ".join(subnets) or "none"
        needs = {
            "nodes_subnet": (self.existing.nodes_subnet, nodes + RESERVED_ADDRESSES),
            "api_server_subnet": (self.existing.api_server_subnet, API_SERVER_ADDRESSES),
            "endpoints_subnet": (self.existing.endpoints_subnet, ENDPOINT_ADDRESSES),
        }
        for key, (name, needed) in needs.items():
            if name is None:
                continue
            subnet, path = subnets.get(name), f"network.{key}"
            fix = f"List them with `az network vnet subnet list --resource-group {group} --vnet-name {vnet}`"
            self.lookups.require(subnet is not None, path, name, f"the network's subnets are: {known}", fix)
            if subnet is None:
                continue
            self._check_size(path, name, subnet, needed)
            update = f"az network vnet subnet update --resource-group {group} --vnet-name {vnet} --name {name}"
            if key == "nodes_subnet":
                rule = "it has no NAT gateway, and nodes, which have no public address, pull images through one"
                holds = subnet.nat_gateway is not None
                self.lookups.require(holds, path, name, rule, f"Run `{update} --nat-gateway GATEWAY`")
            if key == "api_server_subnet":
                rule = f"it is not delegated to {_DELEGATION}"
                holds = any(item.service_name == _DELEGATION for item in subnet.delegations or [])
                self.lookups.require(holds, path, name, rule, f"Run `{update} --delegations {_DELEGATION}`")

    def _check_size(self, key: str, name: str, subnet: azure.outputs.SubnetResponse, needed: int) -> None:
        prefixes = [subnet.address_prefix] if subnet.address_prefix else subnet.address_prefixes or []
        blocks = [IPv4Network(prefix) for prefix in prefixes if ":" not in prefix]
        size = sum(block.num_addresses for block in blocks)
        rule = f"it has {size} addresses ({', '.join(map(str, blocks))}), and the region needs {needed} there"
        self.lookups.require(size >= needed, key, name, rule, "Name a larger subnet")

    def _check_zones(self, dns_group: str) -> None:
        group = dns_group.rpartition("/")[2]
        for zone in ZONES.values():
            found = self.lookups.find(
                "network.private_dns_group",
                dns_group,
                f"private DNS zone {zone} in it",
                f"az network private-dns zone list --resource-group {group} --query [].name",
                lambda zone=zone: privatedns.get_private_zone(
                    private_zone_name=zone, resource_group_name=group, opts=self.lookups.opts
                ),
            )
            if found is not None and is_reported(found.number_of_virtual_network_links):
                rule = f"its zone {zone} is linked to no network, so that names of private endpoints do not resolve"
                command = (
                    f"az network private-dns link vnet create --resource-group {group} --zone-name {zone} "
                    f"--name novacron --virtual-network {self.existing.vnet_id} --registration-enabled false"
                )
                holds = found.number_of_virtual_network_links > 0
                self.lookups.require(holds, "network.private_dns_group", dns_group, rule, f"Run `{command}`")
