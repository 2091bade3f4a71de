"""Ingress of a region: one address that passes TLS connections through to the coordinators.

TLS ends at the coordinators, as in every cloud. A TargetGroupBinding in the cluster registers the pods in the target
group. `novacron_infra.dns` has the names that resolve to this address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.names import shorten_name
from novacron_infra.tags import Tags

PUBLIC_PORT, COORDINATOR_PORT = 443, 8443
READY_PATH = "/ready"
_EVERYWHERE = "0.0.0.0/0"
_LONGEST_DRAIN_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsIngressArgs:
    """Arguments of `AwsIngress`."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Public subnets by zone, at least two."""
    cluster_security_group_id: pulumi.Input[str]
    """Security group of nodes and pods. The component adds a rule that admits the load balancer."""
    tags: Tags
    drain_s: int = 300
    """Seconds that a deregistered coordinator has to finish its responses before connections are closed."""
    protect: bool = True
    """Whether to protect the load balancer: `destroy` stops at it, and AWS rejects its deletion."""


class AwsIngress(pulumi.ComponentResource):
    """An internet-facing Network Load Balancer in every public subnet, with cross-zone load balancing.

    Raises:
        ArgumentError: if the name is too long, there is only one zone, or `drain_s` is out of range.
    """

    load_balancer: aws.lb.LoadBalancer
    address: pulumi.Output[str]
    """Host name of the load balancer."""
    target_group_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AwsIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AwsIngress", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("ingress", Name=f"{name}-lb")
        group = self._security_group(name, args, tags)
        short_name = shorten_name(name)
        self.load_balancer = aws.lb.LoadBalancer(
            short_name,
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
            short_name,
            vpc_id=args.vpc_id,
            target_type="ip",
            protocol="TCP",
            port=COORDINATOR_PORT,
            # The health check uses TLS; the load balancer does not verify the certificate.
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
            short_name,
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
        # A load balancer that is created without a security group can never get one.
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


def _check_args(name: str, args: AwsIngressArgs) -> list[Problem]:
    found: list[Problem] = []
    if len(args.subnet_ids) <= 1:
        zones = ", ".join(args.subnet_ids) or "none"
        rule = "a load balancer in a single zone fails with that zone"
        found.append(Problem(f"{name}.subnet_ids", zones, rule, "Add a zone"))
    if not 0 <= args.drain_s <= _LONGEST_DRAIN_S:
        rule = f"a target group drains for 0 to {_LONGEST_DRAIN_S} s"
        found.append(Problem(f"{name}.drain_s", str(args.drain_s), rule, "Stay within"))
    return found
