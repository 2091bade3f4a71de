"""A VPC that exists: lookups of what it and its subnets must have. Nothing here declares a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from math import ceil

import pulumi_aws as aws

from novacron_infra.aws.network import ENDPOINTS
from novacron_infra.config import ExistingAwsNetwork
from novacron_infra.existing import Lookups, differs, find_or_none, is_reported
from novacron_infra.pools import NodePoolShape

ADDRESSES_PER_NODE = 30
"""Addresses that a node takes at the least: those of one full network interface of a c6i.8xlarge.

The VPC CNI fills a node's first interface (EC2 user guide, "Maximum IP addresses per network interface", read on
2026-11-30). Larger machines take 50.
"""
RESERVED_ADDRESSES = 5
"""Addresses of each subnet that AWS keeps for itself (VPC user guide, "Subnet CIDR blocks", read on 2026-11-30)."""
FEWEST_FREE_ADDRESSES = 8
"""Free addresses that each subnet needs.

EKS wants 6 (EKS user guide, "Networking requirements for VPC and subnets", read on 2026-11-30) and a load balancer 8
(Elastic Load Balancing user guide, "Availability Zones", read on 2026-11-30).
"""
_EVERYWHERE = "0.0.0.0/0"
_ROLES = {"private_subnets": "internal-elb", "public_subnets": "elb"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsNetworkCheck:
    """A VPC that exists, and what a region asks of it."""

    lookups: Lookups
    existing: ExistingAwsNetwork
    region: str
    network: IPv4Network
    pools: Mapping[str, NodePoolShape]

    def run(self) -> None:
        """Look up the VPC and its subnets, and add a problem for everything that they lack."""
        self._check_vpc()
        tables: dict[str, str] = {}
        closed: list[str] = []
        for kind, subnets in self._subnets.items():
            for zone, subnet_id in subnets.items():
                self._check_subnet(kind, zone, subnet_id)
                table = self._find_route_table(subnet_id)
                if table is not None and is_reported(table.routes):
                    self._check_routes(kind, zone, subnet_id, table)
                    if kind == "private_subnets":
                        tables[zone] = table.route_table_id
                        closed += [] if _list_ways_out(table) else [zone]
        self._check_endpoints(tables, closed)

    @property
    def _subnets(self) -> dict[str, dict[str, str]]:
        return {"private_subnets": self.existing.private_subnets, "public_subnets": self.existing.public_subnets}

    def _check_vpc(self) -> None:
        key, vpc_id = "network.vpc_id", self.existing.vpc_id
        vpc = self.lookups.find(
            key,
            vpc_id,
            f"VPC in {self.region}",
            f"aws ec2 describe-vpcs --region {self.region}",
            lambda: aws.ec2.get_vpc(id=vpc_id, opts=self.lookups.opts),
        )
        if vpc is None:
            return
        for attribute, enabled in (
            ("enable-dns-support", vpc.enable_dns_support),
            ("enable-dns-hostnames", vpc.enable_dns_hostnames),
        ):
            rule = f"{attribute} is off, and nodes find the cluster's private API by DNS"
            command = f"aws ec2 modify-vpc-attribute --region {self.region} --vpc-id {vpc_id} --{attribute}"
            self.lookups.require(not differs(enabled, True), key, vpc_id, rule, f"Run `{command}`")
        if is_reported(vpc.cidr_block_associations):
            blocks = [IPv4Network(item.cidr_block) for item in vpc.cidr_block_associations]
            holds = any(self.network.subnet_of(block) for block in blocks)
            rule = f"it has {', '.join(map(str, blocks))}, and network of the region, {self.network}, is not in that"
            self.lookups.require(holds, key, vpc_id, rule, f"Set network of the region to {blocks[0]}")

    def _check_subnet(self, kind: str, zone: str, subnet_id: str) -> None:
        key, vpc_id = f"network.{kind}.{zone}", self.existing.vpc_id
        command = f"aws ec2 describe-subnets --region {self.region} --filters Name=vpc-id,Values={vpc_id}"
        subnet = self.lookups.find(
            key,
            subnet_id,
            f"subnet in {self.region}",
            command,
            lambda: aws.ec2.get_subnet(id=subnet_id, opts=self.lookups.opts),
        )
        if subnet is None:
            return
        require, fix = self.lookups.require, f"Name a subnet of {vpc_id} in {zone}: `{command}`"
        rule = f"it is in {subnet.vpc_id}, and not in {vpc_id}"
        require(not differs(subnet.vpc_id, vpc_id), key, subnet_id, rule, fix)
        rule = f"it is in {subnet.availability_zone}, and not in {zone}"
        require(not differs(subnet.availability_zone, zone), key, subnet_id, rule, fix)
        tag = f"kubernetes.io/role/{_ROLES[kind]}"
        rule = f"it lacks the tag {tag}, by which the load balancer controller finds it"
        fix = f"Run `aws ec2 create-tags --region {self.region} --resources {subnet_id} --tags Key={tag},Value=1`"
        require(not is_reported(subnet.tags) or tag in subnet.tags, key, subnet_id, rule, fix)
        if is_reported(subnet.available_ip_address_count):
            free = subnet.available_ip_address_count
            rule = f"it has {free} free addresses, and EKS and load balancers need {FEWEST_FREE_ADDRESSES} in a subnet"
            require(free >= FEWEST_FREE_ADDRESSES, key, subnet_id, rule, "Free some, or name a larger subnet")
            if kind == "private_subnets":
                self._check_room(key, subnet_id, subnet.cidr_block, free, self._count_addresses(zone))

    def _check_room(self, key: str, subnet_id: str, cidr: str, free: int, needed: int) -> None:
        """Check that a subnet holds its nodes. The nodes themselves may have the addresses that are not free."""
        size = IPv4Network(cidr).num_addresses - RESERVED_ADDRESSES
        rule = f"it has {size} addresses ({cidr}), and the nodes there take {needed}, {ADDRESSES_PER_NODE} each"
        self.lookups.require(size >= needed, key, subnet_id, rule, "Name a larger subnet, or lower workers.maximum")
        if free < needed <= size:
            what = f"it has {free} free addresses, and the nodes there take {needed}, unless they have theirs already"
            self.lookups.warn(key, subnet_id, what)

    def _count_addresses(self, zone: str) -> int:
        """Return the addresses that the nodes in a zone take at the least, when every pool has its most nodes."""
        pools = [pool for pool in self.pools.values() if zone in pool.zones]
        return sum(ceil((pool.maximum_nodes or pool.nodes) / len(pool.zones)) for pool in pools) * ADDRESSES_PER_NODE

    def _find_route_table(self, subnet_id: str) -> aws.ec2.AwaitableGetRouteTableResult | None:
        """Return the route table of a subnet: the VPC's main one, if no other has the subnet."""
        opts, main = self.lookups.opts, [aws.ec2.GetRouteTableFilterArgs(name="association.main", values=["true"])]
        return find_or_none(lambda: aws.ec2.get_route_table(subnet_id=subnet_id, opts=opts)) or find_or_none(
            lambda: aws.ec2.get_route_table(vpc_id=self.existing.vpc_id, filters=main, opts=opts)
        )

    def _check_routes(self, kind: str, zone: str, subnet_id: str, table: aws.ec2.GetRouteTableResult) -> None:
        key, public = f"network.{kind}.{zone}", any(way.startswith("igw-") for way in _list_ways_out(table))
        if kind == "private_subnets":
            rule = "it routes to an internet gateway, and nodes have no public address to use one with"
            self.lookups.require(not public, key, subnet_id, rule, "Name a subnet that routes through a NAT gateway")
            return
        rule = "it has no route to an internet gateway, and clients reach the load balancer over the internet"
        command = (
            f"aws ec2 create-route --region {self.region} --route-table-id {table.route_table_id} "
            f"--destination-cidr-block {_EVERYWHERE} --gateway-id IGW"
        )
        self.lookups.require(public, key, subnet_id, rule, f"Run `{command}`")

    def _check_endpoints(self, tables: Mapping[str, str], closed: list[str]) -> None:
        """Check that models come from S3 over an endpoint, and that zones without a way out have all endpoints."""
        endpoint = self._find_endpoint("s3", "Gateway")
        reached = endpoint.route_table_ids if endpoint is not None else []
        for zone, table_id in tables.items() if is_reported(reached) else ():
            key, subnet_id = f"network.private_subnets.{zone}", self.existing.private_subnets[zone]
            if table_id in reached:
                continue
            command = self._render_s3_command(table_id)
            if zone in closed:
                rule = "it has neither a default route nor an S3 endpoint, and workers load models from S3"
                self.lookups.require(False, key, subnet_id, rule, f"Run `{command}`")
            else:
                what = "it has no S3 endpoint: models come through its default route, which charges for each GB"
                self.lookups.warn(key, subnet_id, f"{what}. Mend it with `{command}`")
        for zone in closed:
            missing = [service for service in ENDPOINTS if self._find_endpoint(service, "Interface") is None]
            rule = f"it has no default route, and the VPC lacks the endpoints of {', '.join(missing)}"
            key, subnet_id = f"network.private_subnets.{zone}", self.existing.private_subnets[zone]
            command = (
                f"aws ec2 create-vpc-endpoint --region {self.region} --vpc-id {self.existing.vpc_id} "
                f"--vpc-endpoint-type Interface --private-dns-enabled --service-name com.amazonaws.{self.region}."
            )
            fix = f"Route it through a NAT gateway, or run `{command}{missing[0]}` and so on" if missing else ""
            self.lookups.require(not missing, key, subnet_id, rule, fix)

    def _find_endpoint(self, service: str, kind: str) -> aws.ec2.AwaitableGetVpcEndpointResult | None:
        return find_or_none(
            lambda: aws.ec2.get_vpc_endpoint(
                vpc_id=self.existing.vpc_id,
                service_name=f"com.amazonaws.{self.region}.{service}",
                vpc_endpoint_type=kind,
                opts=self.lookups.opts,
            )
        )

    def _render_s3_command(self, table_id: str) -> str:
        return (
            f"aws ec2 create-vpc-endpoint --region {self.region} --vpc-id {self.existing.vpc_id} "
            f"--service-name com.amazonaws.{self.region}.s3 --route-table-ids {table_id}"
        )


def _list_ways_out(table: aws.ec2.GetRouteTableResult) -> list[str]:
    """Return the targets of a route table's default routes."""
    routes = [route for route in table.routes if route.cidr_block == _EVERYWHERE]
    return [
        route.gateway_id or route.nat_gateway_id or route.transit_gateway_id or route.network_interface_id or "other"
        for route in routes
    ]
