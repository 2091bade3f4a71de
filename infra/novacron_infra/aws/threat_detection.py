"""Threat detection of one region by GuardDuty, and a topic that gets its findings.

GuardDuty has one detector for each account and region. It reads the audit logs of every EKS cluster there, and what
processes do on the nodes of clusters with its agent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import render_policy
from novacron_infra.config import Detector, Severity
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

AGENT = "aws-guardduty-agent"
_LEAST_SEVERITY = {Severity.LOW: 1, Severity.MEDIUM: 4, Severity.HIGH: 7}
"""Lowest number of a severity (GuardDuty guide, "Findings severity levels", read on 2026-11-30). Critical is 9."""
_FEATURES: Mapping[str, bool] = {"EKS_AUDIT_LOGS": False, "RUNTIME_MONITORING": True}
"""Features that the stack turns on, and whether GuardDuty would install agents for them."""
_INSTALLED_AGENTS = ("EKS_ADDON_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EC2_AGENT_MANAGEMENT")


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsThreatDetectionArgs:
    """Arguments of `AwsThreatDetection`."""

    region: str
    detector: Detector
    """`managed`: the component creates the region's detector, and the cluster's agent. `existing`: alerts only."""
    cluster_name: pulumi.Input[str] | None
    """A cluster with nodes, for the agent. None: the agent is not installed."""
    vpc_id: pulumi.Input[str]
    vpc_cidr: IPv4Network
    """The VPC's network, from which agents send what they see."""
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone, for the endpoint that agents send to."""
    key_arn: pulumi.Input[str]
    """Key of the topic. Its policy has to let EventBridge use it: `AwsKeysArgs.events`."""
    tags: Tags
    minimum_severity: Severity = Severity.MEDIUM
    alert_emails: tuple[str, ...] = ()
    """Addresses that get each finding. AWS asks each to confirm the subscription first."""


class AwsThreatDetection(pulumi.ComponentResource):
    """A detector with its agent in a cluster, and an encrypted topic with the findings of the account and region.

    Raises:
        ArgumentError: if the name is not valid.
    """

    topic: aws.sns.Topic
    topic_arn: pulumi.Output[str]
    detector: aws.guardduty.Detector | None
    """None: the account has one already."""

    def __init__(self, name: str, args: AwsThreatDetectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags)])
        super().__init__("novacron:index:AwsThreatDetection", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.tags.of("security")
        self.detector = None
        if args.detector is Detector.MANAGED:
            self.detector = self._declare_detector()
            if args.cluster_name is not None:
                self._declare_agent(args.cluster_name)
        self.topic = self._declare_alerts()
        self.topic_arn = self.topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})

    def _declare_detector(self) -> aws.guardduty.Detector:
        detector = aws.guardduty.Detector(
            f"{self._name}-detector",
            enable=True,
            # How often a finding that happens again is published. New ones are published within 5 minutes.
            finding_publishing_frequency="FIFTEEN_MINUTES",
            tags=self._tags,
            opts=self._child,
        )
        for feature, has_agents in _FEATURES.items():
            aws.guardduty.DetectorFeature(
                f"{self._name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                # GuardDuty would install agents in everything of the account, and leave an endpoint and a security
                # group in each VPC, which then cannot be deleted.
                additional_configurations=[
                    aws.guardduty.DetectorFeatureAdditionalConfigurationArgs(name=agent, status="DISABLED")
                    for agent in _INSTALLED_AGENTS
                ]
                if has_agents
                else None,
                opts=self._child,
            )
        return detector

    def _declare_agent(self, cluster_name: pulumi.Input[str]) -> None:
        """Declare the cluster's agent, and the endpoint that it sends to."""
        name, args = self._name, self._args
        group = aws.ec2.SecurityGroup(
            f"{name}-guardduty",
            vpc_id=args.vpc_id,
            description="Endpoint of GuardDuty, from inside the network",
            tags=self._tags,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-guardduty",
            security_group_id=group.id,
            description="HTTPS from inside the network",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=str(args.vpc_cidr),
            opts=self._child,
        )
        endpoint = aws.ec2.VpcEndpoint(
            f"{name}-guardduty",
            vpc_id=args.vpc_id,
            service_name=f"com.amazonaws.{args.region}.guardduty-data",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=list(args.subnet_ids.values()),
            security_group_ids=[group.id],
            tags=self._tags,
            opts=self._child,
        )
        aws.eks.Addon(
            f"{name}-{AGENT}",
            cluster_name=cluster_name,
            addon_name=AGENT,
            resolve_conflicts_on_update="OVERWRITE",
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[endpoint]),
        )

    def _declare_alerts(self) -> aws.sns.Topic:
        name, args = self._name, self._args
        topic = aws.sns.Topic(
            f"{name}-threats", kms_master_key_id=args.key_arn, signature_version=2, tags=self._tags, opts=self._child
        )
        rule = aws.cloudwatch.EventRule(
            f"{name}-threats",
            description="Findings of GuardDuty that are alerts",
            event_pattern=json.dumps(
                {
                    "source": ["aws.guardduty"],
                    "detail-type": ["GuardDuty Finding"],
                    "detail": {"severity": [{"numeric": [">=", _LEAST_SEVERITY[args.minimum_severity]]}]},
                }
            ),
            tags=self._tags,
            opts=self._child,
        )
        may_publish = aws.sns.TopicPolicy(
            f"{name}-threats",
            arn=topic.arn,
            policy=pulumi.Output.all(topic=topic.arn, rule=rule.arn).apply(_publishes),
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-threats",
            rule=rule.name,
            target_id="topic",
            arn=topic.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_publish]),
        )
        for index, address in enumerate(args.alert_emails):
            aws.sns.TopicSubscription(
                f"{name}-threats-{address}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=f"{name}-threats-{index}")]),
            )
        return topic


def _publishes(known: Mapping[str, str]) -> str:
    return render_policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": known["topic"],
            "Condition": {"ArnEquals": {"aws:SourceArn": known["rule"]}},
        }
    )
