"""Network of a region: private subnets for nodes, public subnets for load balancers, and security groups.

Not for load balancers themselves (`ingress`) and not for links between regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_retention, check_tags
from novacron_infra.aws.iam import render_policy, trust_service
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.region_networks import check_region_network
from novacron_infra.limits.zones import check_zones
from novacron_infra.tags import Tags
from novacron_infra.zone_subnets import ZoneSubnets, check_zone_subnets, plan_zone_subnets

ENDPOINTS = (
    "autoscaling",
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "kms",
    "logs",
    "secretsmanager",
    "sts",
)
"""Services that nodes, the add-ons and pods with an identity call: over these, not over NAT."""
_EVERYWHERE = "0.0.0.0/0"
_FEWEST_ZONES, _MOST_ZONES = 2, 3


class NatMode(str, Enum):
    """How private subnets reach the internet."""

    PER_ZONE = "per-zone"
    """One gateway in each zone: a dead zone takes no other one's traffic along."""
    SINGLE = "single"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsNetworkArgs:
    """A network."""

    region: str
    zones: tuple[str, ...]
    """Two or three availability zones. EKS needs two."""
    cidr: IPv4Network
    """A private network of /16 to /20. Regions that will be connected need different ones."""
    logs_key_arn: pulumi.Input[str]
    tags: Tags
    zone_networks: Mapping[str, ZoneSubnets] = field(default_factory=dict[str, ZoneSubnets])
    """Subnets by zone. A zone that is not here has the part of the network that belongs to its letter."""
    nat: NatMode = NatMode.PER_ZONE
    flow_log_retention_days: int = 90
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsNetworkIds:
    """Ids of a network, one that is created or one that exists. Subnets are by zone."""

    vpc_id: pulumi.Input[str]
    private_subnet_ids: Mapping[str, pulumi.Input[str]]
    public_subnet_ids: Mapping[str, pulumi.Input[str]]
    """For load balancers only."""
    fabric_security_group_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsNetworkResources:
    """Resources of `AwsNetwork`. Subnets are by zone."""

    vpc: aws.ec2.Vpc
    private_subnets: dict[str, aws.ec2.Subnet]
    public_subnets: dict[str, aws.ec2.Subnet]
    nat_gateways: dict[str, aws.ec2.NatGateway]
    endpoints: dict[str, aws.ec2.VpcEndpoint]
    fabric_security_group: aws.ec2.SecurityGroup


class AwsNetwork(pulumi.ComponentResource):
    """A VPC whose nodes are private, with endpoints, flow logs and the security group of EFA.

    Raises:
        ArgumentError: zones or the network are not what EKS can use.
    """

    resources: AwsNetworkResources
    vpc_id: pulumi.Output[str]
    private_subnet_ids: dict[str, pulumi.Output[str]]
    """By zone."""
    public_subnet_ids: dict[str, pulumi.Output[str]]
    """By zone; for load balancers only."""
    fabric_security_group_id: pulumi.Output[str]
    """Return a security group whose members may reach each other without limit, as EFA requires."""

    def __init__(self, name: str, args: AwsNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AwsNetwork", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(args.cidr),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags("vpc"),
            opts=self._child,
        )
        # A default group without rules: what is put into no group reaches nothing.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=vpc.id, ingress=[], egress=[], tags=self._tags("default"), opts=self._child
        )
        self._flow_logs(vpc)
        plan = plan_zone_subnets(args.cidr, sorted(args.zones), args.zone_networks)
        private = {zone: self._subnet(vpc, zone, subnets.nodes, "internal-elb") for zone, subnets in plan.items()}
        public = {zone: self._subnet(vpc, zone, subnets.load_balancers, "elb") for zone, subnets in plan.items()}
        gateways, route_tables = self._routes(vpc, private, public)
        self.resources = AwsNetworkResources(
            vpc=vpc,
            private_subnets=private,
            public_subnets=public,
            nat_gateways=gateways,
            endpoints=self._endpoints(vpc, private, route_tables),
            fabric_security_group=declare_fabric_group(name, vpc.id, self._tags("fabric"), self._child),
        )
        self.vpc_id = vpc.id
        self.private_subnet_ids = {zone: subnet.id for zone, subnet in private.items()}
        self.public_subnet_ids = {zone: subnet.id for zone, subnet in public.items()}
        self.fabric_security_group_id = self.resources.fabric_security_group.id
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "private_subnet_ids": self.private_subnet_ids,
                "public_subnet_ids": self.public_subnet_ids,
                "fabric_security_group_id": self.fabric_security_group_id,
            }
        )

    @property
    def ids(self) -> AwsNetworkIds:
        """The network for the rest of a region."""
        return AwsNetworkIds(
            vpc_id=self.vpc_id,
            private_subnet_ids=self.private_subnet_ids,
            public_subnet_ids=self.public_subnet_ids,
            fabric_security_group_id=self.fabric_security_group_id,
        )

    def _tags(self, what: str) -> dict[str, str]:
        return self._args.tags.of("network", Name=f"{self.pulumi_resource_name}-{what}")

    def _flow_logs(self, vpc: aws.ec2.Vpc) -> None:
        name = self.pulumi_resource_name
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow-logs",
            kms_key_id=self._args.logs_key_arn,
            retention_in_days=self._args.flow_log_retention_days,
            tags=self._tags("flow-logs"),
            opts=self._child,
        )
        source = f"arn:{{partition}}:ec2:{self._args.region}:{{account}}:vpc-flow-log/*"
        role = aws.iam.Role(
            f"{name}-flow-logs",
            assume_role_policy=trust_service("vpc-flow-logs.amazonaws.com", source, self._args.account_id, self),
            tags=self._tags("flow-logs"),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{name}-flow-logs", role=role.id, policy=group.arn.apply(_writes_to_log_group), opts=self._child
        )
        aws.ec2.FlowLog(
            f"{name}-flow-logs",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags=self._tags("flow-logs"),
            opts=self._child,
        )

    def _subnet(self, vpc: aws.ec2.Vpc, zone: str, cidr: IPv4Network, role: str) -> aws.ec2.Subnet:
        kind = "public" if role == "elb" else "private"
        return aws.ec2.Subnet(
            f"{self.pulumi_resource_name}-{kind}-{zone}",
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=str(cidr),
            map_public_ip_on_launch=False,
            # Where the load balancer controller puts load balancers.
            tags=self._tags(f"{kind}-{zone}") | {f"kubernetes.io/role/{role}": "1"},
            opts=self._child,
        )

    def _routes(
        self, vpc: aws.ec2.Vpc, private: dict[str, aws.ec2.Subnet], public: dict[str, aws.ec2.Subnet]
    ) -> tuple[dict[str, aws.ec2.NatGateway], list[aws.ec2.RouteTable]]:
        name, zones = self.pulumi_resource_name, sorted(self._args.zones)
        internet = aws.ec2.InternetGateway(
            f"{name}-internet", vpc_id=vpc.id, tags=self._tags("internet"), opts=self._child
        )
        outside = self._route_table(vpc, "public", public)
        aws.ec2.Route(
            f"{name}-public",
            route_table_id=outside.id,
            destination_cidr_block=_EVERYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        gateways: dict[str, aws.ec2.NatGateway] = {}
        for zone in zones if self._args.nat is NatMode.PER_ZONE else zones[:1]:
            address = aws.ec2.Eip(f"{name}-nat-{zone}", domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._child)
            gateways[zone] = aws.ec2.NatGateway(
                f"{name}-nat-{zone}",
                subnet_id=public[zone].id,
                allocation_id=address.id,
                tags=self._tags(f"nat-{zone}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
            )
        tables: list[aws.ec2.RouteTable] = []
        for zone in zones:
            table = self._route_table(vpc, f"private-{zone}", {zone: private[zone]})
            aws.ec2.Route(
                f"{name}-private-{zone}",
                route_table_id=table.id,
                destination_cidr_block=_EVERYWHERE,
                nat_gateway_id=gateways.get(zone, gateways[zones[0]]).id,
                opts=self._child,
            )
            tables.append(table)
        return gateways, tables

    def _route_table(self, vpc: aws.ec2.Vpc, what: str, subnets: Mapping[str, aws.ec2.Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self.pulumi_resource_name}-{what}", vpc_id=vpc.id, tags=self._tags(what), opts=self._child
        )
        for index, (zone, subnet) in enumerate(subnets.items()):
            aws.ec2.RouteTableAssociation(
                f"{self.pulumi_resource_name}-{what}-in-{zone}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                # The name had the zone's position before.
                opts=pulumi.ResourceOptions(
                    parent=self, aliases=[pulumi.Alias(name=f"{self.pulumi_resource_name}-{what}-{index}")]
                ),
            )
        return table

    def _endpoints(
        self, vpc: aws.ec2.Vpc, private: dict[str, aws.ec2.Subnet], tables: list[aws.ec2.RouteTable]
    ) -> dict[str, aws.ec2.VpcEndpoint]:
        name, region = self.pulumi_resource_name, self._args.region
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoints",
            vpc_id=vpc.id,
            description="Endpoints of Amazon services, from inside the network",
            tags=self._tags("endpoints"),
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints",
            security_group_id=group.id,
            description="HTTPS from inside the network",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=str(self._args.cidr),
            opts=self._child,
        )
        endpoints = {
            # Model weights come through this one, without a price for each byte.
            "s3": aws.ec2.VpcEndpoint(
                f"{name}-s3",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                tags=self._tags("s3"),
                opts=self._child,
            )
        }
        for service in ENDPOINTS:
            what = service.replace(".", "-")
            endpoints[service] = aws.ec2.VpcEndpoint(
                f"{name}-{what}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in private.values()],
                security_group_ids=[group.id],
                tags=self._tags(what),
                opts=self._child,
            )
        return endpoints


def declare_fabric_group(
    name: str, vpc_id: pulumi.Input[str], tags: dict[str, str], opts: pulumi.ResourceOptions
) -> aws.ec2.SecurityGroup:
    """Declare a security group whose members reach each other without limit, as EFA requires."""
    group = aws.ec2.SecurityGroup(
        f"{name}-fabric",
        vpc_id=vpc_id,
        description="EFA: members reach each other without limit",
        tags=tags,
        opts=opts,
    )
    # EFA bypasses the kernel only where both directions name the group itself; an open egress rule is not enough.
    for kind in (aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule):
        kind(
            f"{name}-fabric",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            description="Everything between members",
            ip_protocol="-1",
            opts=opts,
        )
    return group


def _check_args(name: str, args: AwsNetworkArgs) -> list[Problem]:
    found = check_retention(f"{name}.flow_log_retention_days", args.flow_log_retention_days)
    if not _FEWEST_ZONES <= len(args.zones) <= _MOST_ZONES:
        zones = ", ".join(args.zones) or "none"
        found.append(Problem(f"{name}.zones", zones, "EKS needs two zones, three at most here", "Name two or three"))
    found += check_zones(f"{name}.zones", args.zones, Cloud.AWS, args.region)
    if not found:
        found += check_zone_subnets(name, args.cidr, args.zones, args.zone_networks)
    return [*found, *check_region_network(f"{name}.cidr", args.cidr, Cloud.AWS)]


def _writes_to_log_group(arn: str) -> str:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return render_policy({"Effect": "Allow", "Action": actions, "Resource": [arn, f"{arn}:log-stream:*"]})
