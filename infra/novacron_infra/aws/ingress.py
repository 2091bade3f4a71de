"""A region's front door: one address that passes connections on to the coordinators, unopened.

TLS ends at the coordinators, in every cloud alike. Not for the pods behind the door: a TargetGroupBinding in the
cluster puts them into the target group. Not for the name that leads here (`novacron_infra.dns`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import name_problems
from novacron_infra.errors import Problem, refuse
from novacron_infra.tags import Tags

LONGEST_INGRESS_NAME = 24
"""Load balancers and target groups have 32 characters at most, and Pulumi adds 8."""
PUBLIC_PORT, COORDINATOR_PORT = 443, 8443
READY_PATH = "/ready"
_EVERYWHERE = "0.0.0.0/0"
_LONGEST_DRAIN_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsIngressArgs:
    """A front door."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Public subnets by zone, two or more."""
    cluster_security_group_id: pulumi.Input[str]
    """Of the nodes and their pods; a rule is added to it that lets the load balancer in."""
    tags: Tags
    drain_s: int = 300
    """Seconds that a leaving coordinator has to end its answers; what is open then is cut."""
    protect: bool = True
    """Whether destroying the stack stops at the load balancer, and Amazon refuses to delete it."""


class AwsIngress(pulumi.ComponentResource):
    """An internet-facing Network Load Balancer in every public subnet, each of which serves all zones' coordinators.

    Raises:
        ArgumentError: the name is too long for a load balancer, there is one zone, or the time to drain is no such.
    """

    load_balancer: aws.lb.LoadBalancer
    address: pulumi.Output[str]
    """Host name."""
    target_group_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AwsIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name, LONGEST_INGRESS_NAME), *_problems(name, args)])
        super().__init__("novacron:index:AwsIngress", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("ingress", Name=f"{name}-lb")
        group = self._security_group(name, args, tags)
        self.load_balancer = aws.lb.LoadBalancer(
            name,
            load_balancer_type="network",
            internal=False,
            subnets=list(args.subnet_ids.values()),
            security_groups=[group.id],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=args.protect,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        targets = aws.lb.TargetGroup(
            name,
            vpc_id=args.vpc_id,
            target_type="ip",
            protocol="TCP",
            port=COORDINATOR_PORT,
            # Asked over TLS, whose certificate the load balancer does not check.
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTPS",
                port="traffic-port",
                path=READY_PATH,
                matcher="200",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            deregistration_delay=args.drain_s,
            connection_termination=True,
            tags=tags,
            opts=child,
        )
        aws.lb.Listener(
            name,
            load_balancer_arn=self.load_balancer.arn,
            protocol="TCP",
            port=PUBLIC_PORT,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            tags=tags,
            opts=child,
        )
        self.address = self.load_balancer.dns_name
        self.target_group_arn = targets.arn
        self.register_outputs({"address": self.address, "target_group_arn": self.target_group_arn})

    def _security_group(self, name: str, args: AwsIngressArgs, tags: dict[str, str]) -> aws.ec2.SecurityGroup:
        child = pulumi.ResourceOptions(parent=self)
        # A load balancer that is made without a group never gets one.
        group = aws.ec2.SecurityGroup(
            f"{name}-lb",
            vpc_id=args.vpc_id,
            description="The front door: HTTPS from anywhere, on to the coordinators only",
            tags=tags,
            opts=child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-lb",
            security_group_id=group.id,
            description="HTTPS from anywhere",
            ip_protocol="tcp",
            from_port=PUBLIC_PORT,
            to_port=PUBLIC_PORT,
            cidr_ipv4=_EVERYWHERE,
            opts=child,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-lb",
            security_group_id=group.id,
            referenced_security_group_id=args.cluster_security_group_id,
            description="On to the coordinators",
            ip_protocol="tcp",
            from_port=COORDINATOR_PORT,
            to_port=COORDINATOR_PORT,
            opts=child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-lb-coordinators",
            security_group_id=args.cluster_security_group_id,
            referenced_security_group_id=group.id,
            description="From the load balancer",
            ip_protocol="tcp",
            from_port=COORDINATOR_PORT,
            to_port=COORDINATOR_PORT,
            opts=child,
        )
        return group


def _problems(name: str, args: AwsIngressArgs) -> list[Problem]:
    found: list[Problem] = []
    if len(args.subnet_ids) <= 1:
        zones = ", ".join(args.subnet_ids) or "none"
        rule = "a door in a single zone closes when the zone dies"
        found.append(Problem(f"{name}.subnet_ids", zones, rule, "Add a zone"))
    if not 0 <= args.drain_s <= _LONGEST_DRAIN_S:
        rule = f"a target group drains for 0 to {_LONGEST_DRAIN_S} seconds"
        found.append(Problem(f"{name}.drain_s", str(args.drain_s), rule, "Stay within"))
    return found
