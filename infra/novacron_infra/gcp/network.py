"""Network of a region: a private subnet for nodes and pods, Cloud NAT, and the networks of a fabric.

Not for load balancers (the cluster's controllers make them) and not for links between regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Network

import pulumi
import pulumi_gcp as gcp

from novacron_infra.catalog import CatalogError, Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import NAME_CHARACTERS, build_labels, check_labels, check_name
from novacron_infra.gcp.fabric import FabricNetwork, InterfaceType, list_fabric_networks, make_rdma_profile_url
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.region_networks import check_region_network
from novacron_infra.limits.zones import check_zones
from novacron_infra.networks import is_private
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags

PODS_RANGE, SERVICES_RANGE = "pods", "services"
_LONGEST_FABRIC_NAME = NAME_CHARACTERS - len("-gpu-7-0") - 8
"""A generated name adds 8 characters."""
_FABRIC_PARTS_PREFIX = 4
"""A fabric's network is cut into 16 subnets, of which RoCE needs nine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpNetworkArgs:
    """A network."""

    region: str
    cidr: IPv4Network
    """A private network of /16 to /18. Regions that will be connected need different ones."""
    tags: Tags


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpNetworkIds:
    """Ids of a network, one that is created or one that exists."""

    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    """Subnet of the nodes."""
    services_network_id: pulumi.Input[str]
    """The same network, once it is peered with Google Cloud services."""
    pods_range: str = PODS_RANGE
    services_range: str = SERVICES_RANGE
    fabric_cidr: IPv4Network | None
    """Addresses for fabrics. None: no machine of the region has one."""
    created: bool = True
    """Whether the network is the region's own. Others have their connections to Google Cloud services already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpNetworkResources:
    """Resources of `GcpNetwork`."""

    vpc: gcp.compute.Network
    subnet: gcp.compute.Subnetwork
    router: gcp.compute.Router
    nat: gcp.compute.RouterNat
    services_peering: gcp.servicenetworking.Connection


class GcpNetwork(pulumi.ComponentResource):
    """A VPC with private nodes, flow logs, Cloud NAT, and private access to Google Cloud services.

    The logs have the key of the project's log bucket (decision 8).

    Raises:
        ArgumentError: the network is not what GKE can use.
    """

    resources: GcpNetworkResources
    network_id: pulumi.Output[str]
    subnet_id: pulumi.Output[str]
    """Subnet of the nodes, with the ranges `pods` and `services`. Resolves when nodes in it reach the internet."""
    services_network_id: pulumi.Output[str]
    """The same network, once it is peered with Google Cloud services: for Cloud SQL, Lustre and Filestore."""
    fabric_cidr: IPv4Network
    """Addresses that nothing else in the network has, for `GcpFabric`."""

    def __init__(self, name: str, args: GcpNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:GcpNetwork", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plan = plan_addresses(args.cidr)
        vpc = gcp.compute.Network(f"{name}-vpc", auto_create_subnetworks=False, routing_mode="REGIONAL", opts=child)
        subnet = gcp.compute.Subnetwork(
            f"{name}-nodes",
            network=vpc.id,
            region=args.region,
            ip_cidr_range=str(plan.nodes),
            secondary_ip_ranges=[
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=range_name, ip_cidr_range=str(cidr))
                for range_name, cidr in ((PODS_RANGE, plan.pods), (SERVICES_RANGE, plan.services))
            ],
            # Model weights and images come from Google Cloud services directly, and not through the NAT.
            private_ip_google_access=True,
            log_config=gcp.compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_1_MIN", flow_sampling=1.0, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=child,
        )
        router = gcp.compute.Router(f"{name}-nat", network=vpc.id, region=args.region, opts=child)
        nat = gcp.compute.RouterNat(
            f"{name}-nat",
            router=router.name,
            region=args.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=child,
        )
        services = plan.google_services
        addresses = gcp.compute.GlobalAddress(
            f"{name}-google-services",
            network=vpc.id,
            address_type="INTERNAL",
            purpose="VPC_PEERING",
            address=str(services.network_address),
            prefix_length=services.prefixlen,
            labels=build_labels(args.tags, "network"),
            opts=child,
        )
        peering = gcp.servicenetworking.Connection(
            f"{name}-google-services",
            network=vpc.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[addresses.name],
            # Cloud SQL keeps its addresses for days after its last server: until then the API refuses to unpeer.
            deletion_policy="REMOVE_PEERING",
            opts=child,
        )
        self.resources = GcpNetworkResources(vpc=vpc, subnet=subnet, router=router, nat=nat, services_peering=peering)
        self.network_id = vpc.id
        # Nodes that cannot pull images never become ready, so users of the subnet wait for the NAT.
        self.subnet_id = resolve_after(subnet.id, nat.router)
        self.services_network_id = peering.network
        self.fabric_cidr = plan.fabric
        self.register_outputs(
            {
                "network_id": self.network_id,
                "subnet_id": self.subnet_id,
                "services_network_id": self.services_network_id,
                "fabric_cidr": str(self.fabric_cidr),
            }
        )

    @property
    def ids(self) -> GcpNetworkIds:
        """The network for the rest of a region."""
        return GcpNetworkIds(
            network_id=self.network_id,
            subnet_id=self.subnet_id,
            services_network_id=self.services_network_id,
            fabric_cidr=self.fabric_cidr,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpFabricArgs:
    """The networks of a machine's fabric, in the zone of its pools."""

    machine: str
    region: str
    zone: str
    cidr: IPv4Network
    """A private IPv4 network, apart from all others of the cluster; each interface gets a sixteenth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FabricInterface:
    """Where one interface of a node goes."""

    network: pulumi.Input[str]
    subnet: pulumi.Input[str]


class GcpFabric(pulumi.ComponentResource):
    """The VPCs that GPUs of different nodes talk over, and nothing else does.

    Without flow logs: RDMA networks have none, and the others would log every tensor.

    Raises:
        ArgumentError: the machine has no fabric, the zone is elsewhere, or the network is too small.
    """

    interfaces: tuple[FabricInterface, ...]
    """In the order of the node's."""

    def __init__(self, name: str, args: GcpFabricArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name, _LONGEST_FABRIC_NAME), *_check_fabric(name, args)])
        super().__init__("novacron:index:GcpFabric", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._project = gcp.organizations.get_project_output(opts=pulumi.InvokeOutputOptions(parent=self)).project_id
        cidrs = args.cidr.subnets(prefixlen_diff=_FABRIC_PARTS_PREFIX)
        self.interfaces = tuple(
            interface
            for layout in list_fabric_networks(args.machine)
            for interface in self._network(layout, [next(cidrs) for _ in range(layout.subnets)])
        )
        self.register_outputs({"subnets": [interface.subnet for interface in self.interfaces]})

    def _network(self, layout: FabricNetwork, cidrs: list[IPv4Network]) -> list[FabricInterface]:
        args, name = self._args, f"{self._name}-{layout.name}"
        is_rdma = layout.type is InterfaceType.RDMA
        vpc = gcp.compute.Network(
            name,
            auto_create_subnetworks=False,
            mtu=layout.mtu_bytes,
            network_profile=pulumi.Output.from_input(self._project).apply(self._profile) if is_rdma else None,
            opts=self._child,
        )
        if not is_rdma:  # what may be in an RDMA network is the profile's to say
            gcp.compute.Firewall(
                name,
                network=vpc.id,
                description="Everything between the members of the fabric",
                direction="INGRESS",
                source_ranges=[str(args.cidr)],
                allows=[gcp.compute.FirewallAllowArgs(protocol=protocol) for protocol in ("tcp", "udp", "icmp")],
                opts=self._child,
            )
        subnets = [
            gcp.compute.Subnetwork(
                f"{name}-{index}",
                network=vpc.id,
                region=args.region,
                ip_cidr_range=str(cidr),
                opts=self._child,
            )
            for index, cidr in enumerate(cidrs)
        ]
        return [FabricInterface(network=vpc.name, subnet=subnet.name) for subnet in subnets]

    def _profile(self, project: str | None) -> str:
        return make_rdma_profile_url(require_output(project, "getProject.project_id"), self._args.zone)


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """How a region's addresses are shared out."""

    pods: IPv4Network
    nodes: IPv4Network
    fabric: IPv4Network
    services: IPv4Network
    google_services: IPv4Network


def plan_addresses(cidr: IPv4Network) -> AddressPlan:
    """Half of a network for pods, a quarter for nodes, an eighth for fabrics, a sixteenth for each kind of service."""
    pods, rest = cidr.subnets()
    nodes, rest = rest.subnets()
    fabric, rest = rest.subnets()
    services, google_services = rest.subnets()
    return AddressPlan(pods, nodes, fabric, services, google_services)


def _check_args(name: str, args: GcpNetworkArgs) -> list[Problem]:
    return list(check_region_network(f"{name}.cidr", args.cidr, Cloud.GCP))


def _check_fabric(name: str, args: GcpFabricArgs) -> list[Problem]:
    zones = check_zones("", [args.zone], Cloud.GCP, args.region)
    found = [replace(problem, path=f"{name}.zone") for problem in zones]
    try:
        list_fabric_networks(args.machine)
    except CatalogError as error:
        found.append(Problem(f"{name}.machine", args.machine, str(error), "Name a machine of the pool with the fabric"))
    if not is_private(args.cidr) or args.cidr.prefixlen > 29 - _FABRIC_PARTS_PREFIX:
        rule = f"it must be private and at least a /{29 - _FABRIC_PARTS_PREFIX}, because it is cut into 16 subnets"
        found.append(Problem(f"{name}.cidr", str(args.cidr), rule, "Use the network's fabric_cidr"))
    return found
