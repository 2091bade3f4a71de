"""A region's network: private subnets, one way out, private names, and a log of all traffic.

Pods have addresses of their own overlay and take none from here. Not for load balancers (the cluster makes them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network

import pulumi
from pulumi_azure_native import network as azure
from pulumi_azure_native import privatedns

from novacron_infra.azure.accounts import declare_storage_account
from novacron_infra.azure.checks import check_account, check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, declare_identity, grant
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.private_link import PrivateService, declare_private_endpoint, declare_private_zones
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.region_networks import check_region_network
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

_DELEGATED_TO_AKS = "Microsoft.ContainerService/managedClusters"
_MOST_FLOW_LOG_DAYS = 365
_FIRST_PRIORITY = 100
_MOST_PORT = 65535


class SubnetUse(str, Enum):
    """Purpose of a subnet."""

    NODES = "nodes"
    API_SERVER = "api-server"
    """Subnet of the cluster's control plane, exclusively."""
    ENDPOINTS = "endpoints"
    FILES = "files"
    """Managed Lustre, which has a subnet of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureNetworkArgs:
    """A network."""

    region: str
    resource_group: pulumi.Input[str]
    cidr: IPv4Network
    """A private IPv4 network of /16 to /20; regions that are to be linked have different ones."""
    storage_key: CustomerKey
    workspace_id: pulumi.Input[str]
    workspace_guid: pulumi.Input[str]
    flow_log_account: str
    """Name of the storage account that keeps the flow logs, unique in all of Azure: 3 to 24 of a-z and 0-9."""
    tags: Tags
    public_ports: tuple[int, ...] = ()
    """TCP ports that the internet reaches on public load balancers; none: nothing here is reached from outside."""
    flow_log_days: int = 90
    network_watcher_resource_group: str = "NetworkWatcherRG"
    """Azure makes it, and a watcher for each region, with the first network there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureNetworkIds:
    """Ids of a network, one that is created or one that exists."""

    subnet_ids: Mapping[SubnetUse, pulumi.Input[str]]
    """The API server's resolves when the vault's name resolves in it."""
    dns_zone_ids: Mapping[PrivateService, pulumi.Input[str]]
    """Private DNS zones, linked to the network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureNetworkResources:
    """Resources of `AzureNetwork`."""

    network: azure.VirtualNetwork
    subnets: dict[SubnetUse, azure.Subnet]
    nat_gateway: azure.NatGateway
    dns_zones: dict[PrivateService, privatedns.PrivateZone]
    flow_log: azure.FlowLog


class AzureNetwork(pulumi.ComponentResource):
    """A virtual network whose nodes are private, with a NAT gateway, private DNS and flow logs.

    Azure chooses the zone of the NAT gateway. If that zone fails, nodes in other zones cannot pull images; running pods
    are not affected.

    Raises:
        ArgumentError: the network, the account's name or a figure is not what Azure accepts.
    """

    resources: AzureNetworkResources
    subnet_ids: dict[SubnetUse, pulumi.Output[str]]
    """The API server's is there only when the vault's name resolves in it."""
    dns_zone_ids: dict[PrivateService, pulumi.Output[str]]
    """There only when their names resolve in this network."""

    def __init__(self, name: str, args: AzureNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AzureNetwork", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.tags.of("network")
        vnet = azure.VirtualNetwork(
            f"{name}-vnet",
            resource_group_name=args.resource_group,
            location=args.region,
            address_space=azure.AddressSpaceArgs(address_prefixes=[str(args.cidr)]),
            tags=self._tags,
            opts=self._child,
        )
        gateway = self._nat_gateway()
        subnets = self._subnets(vnet, gateway)
        zones = declare_private_zones(name, vnet.id, args.resource_group, self._tags, self._child)
        self.dns_zone_ids = {service: zone.id for service, zone in zones.items()}
        self.subnet_ids = {use: subnet.id for use, subnet in subnets.items()}
        vault = declare_private_endpoint(
            f"{name}-vault",
            PrivateService.VAULT,
            args.storage_key.vault_id,
            self.subnet_ids[SubnetUse.ENDPOINTS],
            self.dns_zone_ids[PrivateService.VAULT],
            args.resource_group,
            args.region,
            self._tags,
            self._child,
        )
        api_server = self.subnet_ids[SubnetUse.API_SERVER]
        self.subnet_ids[SubnetUse.API_SERVER] = resolve_after(api_server, vault.id)
        self.resources = AzureNetworkResources(
            network=vnet,
            subnets=subnets,
            nat_gateway=gateway,
            dns_zones={service: zone.zone for service, zone in zones.items()},
            flow_log=self._flow_log(vnet),
        )
        self.register_outputs(
            {
                "subnet_ids": {use.value: subnet for use, subnet in self.subnet_ids.items()},
                "dns_zone_ids": {service.value: zone for service, zone in self.dns_zone_ids.items()},
            }
        )

    @property
    def ids(self) -> AzureNetworkIds:
        """The network for the rest of a region."""
        return AzureNetworkIds(subnet_ids=self.subnet_ids, dns_zone_ids=self.dns_zone_ids)

    def _nat_gateway(self) -> azure.NatGateway:
        args, name = self._args, f"{self._name}-nat"
        address = azure.PublicIPAddress(
            name,
            resource_group_name=args.resource_group,
            location=args.region,
            sku=azure.PublicIPAddressSkuArgs(name=azure.PublicIPAddressSkuName.STANDARD),
            public_ip_allocation_method=azure.IPAllocationMethod.STATIC,
            tags=self._tags,
            opts=self._child,
        )
        return azure.NatGateway(
            name,
            resource_group_name=args.resource_group,
            location=args.region,
            sku=azure.NatGatewaySkuArgs(name=azure.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[azure.SubResourceArgs(id=address.id)],
            tags=self._tags,
            opts=self._child,
        )

    def _subnets(self, vnet: azure.VirtualNetwork, gateway: azure.NatGateway) -> dict[SubnetUse, azure.Subnet]:
        subnets: dict[SubnetUse, azure.Subnet] = {}
        for use, cidr in plan_subnets(self._args.cidr).items():
            controls_api = use is SubnetUse.API_SERVER
            subnets[use] = azure.Subnet(
                f"{self._name}-{use.value}",
                subnet_name=use.value,
                virtual_network_name=vnet.name,
                resource_group_name=self._args.resource_group,
                address_prefix=str(cidr),
                default_outbound_access=False,
                nat_gateway=azure.SubResourceArgs(id=gateway.id) if use is SubnetUse.NODES else None,
                # The control plane brings its own rules.
                network_security_group=None if controls_api else self._security_group(use),
                private_endpoint_network_policies=azure.VirtualNetworkPrivateEndpointNetworkPolicies.ENABLED,
                delegations=[azure.DelegationArgs(name="aks", service_name=_DELEGATED_TO_AKS)]
                if controls_api
                else None,
                # Azure changes a network's subnets one after the other.
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(subnets.values())),
            )
        return subnets

    def _security_group(self, use: SubnetUse) -> azure.NetworkSecurityGroupArgs:
        """Return the rules of public ports. Azure's default rules admit only the network and its load balancers."""
        public = [
            azure.SecurityRuleArgs(
                name=f"public-{port}",
                priority=_FIRST_PRIORITY + index,
                direction=azure.SecurityRuleDirection.INBOUND,
                access=azure.SecurityRuleAccess.ALLOW,
                protocol=azure.SecurityRuleProtocol.TCP,
                source_address_prefix="Internet",
                source_port_range="*",
                destination_address_prefix="*",
                destination_port_range=str(port),
            )
            for index, port in enumerate(sorted(self._args.public_ports))
        ]
        group = azure.NetworkSecurityGroup(
            f"{self._name}-{use.value}",
            resource_group_name=self._args.resource_group,
            location=self._args.region,
            security_rules=public if use is SubnetUse.NODES else [],
            tags=self._tags,
            opts=self._child,
        )
        return azure.NetworkSecurityGroupArgs(id=group.id)

    def _flow_log(self, vnet: azure.VirtualNetwork) -> azure.FlowLog:
        args, name = self._args, f"{self._name}-flow-logs"
        account = declare_storage_account(
            name, args.flow_log_account, args.resource_group, args.region, args.storage_key, self._tags, self._child
        )
        writer = declare_identity(name, args.resource_group, args.region, self._tags, self._child)
        may_write = grant(name, account.id, Role.STORAGE_BLOB_DATA_CONTRIBUTOR, writer.principal_id, self._child)
        return azure.FlowLog(
            name,
            network_watcher_name=f"NetworkWatcher_{args.region}",
            resource_group_name=args.network_watcher_resource_group,
            location=args.region,
            target_resource_id=vnet.id,
            storage_id=account.id,
            identity=azure.ManagedServiceIdentityArgs(
                type=azure.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[writer.id]
            ),
            enabled=True,
            format=azure.FlowLogFormatParametersArgs(type=azure.FlowLogFormatType.JSON, version=2),
            retention_policy=azure.RetentionPolicyParametersArgs(enabled=True, days=args.flow_log_days),
            flow_analytics_configuration=azure.TrafficAnalyticsPropertiesArgs(
                network_watcher_flow_analytics_configuration=azure.TrafficAnalyticsConfigurationPropertiesArgs(
                    enabled=True,
                    traffic_analytics_interval=10,
                    workspace_id=args.workspace_guid,
                    workspace_region=args.region,
                    workspace_resource_id=args.workspace_id,
                )
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_write]),
        )


def plan_subnets(cidr: IPv4Network) -> dict[SubnetUse, IPv4Network]:
    """Return the subnets: half of the network for nodes, an eighth for each other use. An eighth stays free."""
    nodes, rest = cidr.subnets(prefixlen_diff=1)
    others = (use for use in SubnetUse if use is not SubnetUse.NODES)
    return {SubnetUse.NODES: nodes, **dict(zip(others, rest.subnets(prefixlen_diff=2), strict=False))}


def _check_args(name: str, args: AzureNetworkArgs) -> list[Problem]:
    found = check_account(f"{name}.flow_log_account", args.flow_log_account)
    if not 1 <= args.flow_log_days <= _MOST_FLOW_LOG_DAYS:
        rule = f"flow logs are kept 1 to {_MOST_FLOW_LOG_DAYS} days"
        found.append(Problem(f"{name}.flow_log_days", str(args.flow_log_days), rule, "Stay within"))
    found += [
        Problem(f"{name}.public_ports", str(port), "it is not a TCP port", f"Use 1 to {_MOST_PORT}")
        for port in args.public_ports
        if not 1 <= port <= _MOST_PORT
    ]
    return [*found, *check_region_network(f"{name}.cidr", args.cidr, Cloud.AZURE)]
