"""Copies of the models in other regions, and an alarm when they fall behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import name_problems
from novacron_infra.aws.iam import policy, service_trust
from novacron_infra.errors import Problem, refuse
from novacron_infra.tags import Tags

PROMISED_MINUTES = 15
"""S3 replication time control: 99.9% of objects within 15 minutes."""
_ALARM_PERIOD_S, _ALARM_PERIODS = 300, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A bucket that gets the copies."""

    bucket_arn: pulumi.Input[str]
    """Of a bucket that keeps versions."""
    bucket: str
    key_arn: pulumi.Input[str]
    """Of the replica's region."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsModelReplicationArgs:
    """From one bucket to others."""

    source_bucket: str
    source_bucket_arn: pulumi.Input[str]
    """Of a bucket that keeps versions."""
    source_key_arn: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """By region."""
    tags: Tags
    longest_lag_s: int = 3600
    """When the alarm goes off."""
    alarm_topic_arns: tuple[pulumi.Input[str], ...] = ()
    prefix: str = "models/"


class AwsModelReplication(pulumi.ComponentResource):
    """Replication with time control to each region, with one alarm for each.

    Metrics are looked for in the source's region (not verified against an account).

    Raises:
        ArgumentError: there is no replica, or the alarm would go off while replication keeps its promise.
    """

    replication: aws.s3.BucketReplicationConfig
    alarms: dict[str, aws.cloudwatch.MetricAlarm]
    """By region."""

    def __init__(self, name: str, args: AwsModelReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name), *_problems(name, args)])
        super().__init__("novacron:index:AwsModelReplication", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("models")
        role = aws.iam.Role(
            f"{name}-replication", assume_role_policy=service_trust("s3.amazonaws.com"), tags=tags, opts=child
        )
        may_copy = aws.iam.RolePolicy(
            f"{name}-replication",
            role=role.id,
            policy=pulumi.Output.all(
                source=args.source_bucket_arn,
                source_key=args.source_key_arn,
                replicas=[replica.bucket_arn for replica in args.replicas.values()],
                replica_keys=[replica.key_arn for replica in args.replicas.values()],
            ).apply(_copies),
            opts=child,
        )
        self.replication = aws.s3.BucketReplicationConfig(
            f"{name}-replication",
            bucket=args.source_bucket,
            role=role.arn,
            rules=[
                _rule(region, priority, replica, args.prefix)
                for priority, (region, replica) in enumerate(args.replicas.items())
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_copy]),
        )
        self.alarms = {
            region: aws.cloudwatch.MetricAlarm(
                f"{name}-lag-{region}",
                alarm_description=f"Models reach {region} later than {args.longest_lag_s} s after their upload",
                namespace="AWS/S3",
                metric_name="ReplicationLatency",
                dimensions={
                    "SourceBucket": args.source_bucket,
                    "DestinationBucket": replica.bucket,
                    "RuleId": region,
                },
                statistic="Maximum",
                period=_ALARM_PERIOD_S,
                evaluation_periods=_ALARM_PERIODS,
                comparison_operator="GreaterThanThreshold",
                threshold=args.longest_lag_s,
                # There is no value while nothing is uploaded.
                treat_missing_data="notBreaching",
                alarm_actions=list(args.alarm_topic_arns),
                tags=tags,
                opts=child,
            )
            for region, replica in args.replicas.items()
        }
        self.register_outputs({"regions": list(args.replicas)})


def _rule(region: str, priority: int, replica: ReplicaArgs, prefix: str) -> aws.s3.BucketReplicationConfigRuleArgs:
    return aws.s3.BucketReplicationConfigRuleArgs(
        id=region,
        priority=priority,
        status="Enabled",
        filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=prefix),
        # A model deleted by mistake stays in the other regions.
        delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Disabled"),
        source_selection_criteria=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=(
                aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(status="Enabled")
            )
        ),
        destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=replica.bucket_arn,
            encryption_configuration=aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=replica.key_arn
            ),
            replication_time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeArgs(
                status="Enabled",
                time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeTimeArgs(minutes=PROMISED_MINUTES),
            ),
            metrics=aws.s3.BucketReplicationConfigRuleDestinationMetricsArgs(
                status="Enabled",
                event_threshold=aws.s3.BucketReplicationConfigRuleDestinationMetricsEventThresholdArgs(
                    minutes=PROMISED_MINUTES
                ),
            ),
        ),
    )


def _copies(known: Mapping[str, Any]) -> str:
    source, replicas = known["source"], known["replicas"]
    reads = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
    writes = ["s3:ReplicateObject", "s3:ReplicateTags"]
    return policy(
        _allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], [source]),
        _allow(reads, [f"{source}/*"]),
        _allow(writes, [f"{arn}/*" for arn in replicas]),
        _allow(["kms:Decrypt"], [known["source_key"]]),
        _allow(["kms:Encrypt"], known["replica_keys"]),
    )


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _problems(name: str, args: AwsModelReplicationArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.replicas:
        found.append(Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's bucket"))
    if args.longest_lag_s < PROMISED_MINUTES * 60:
        rule = f"replication promises {PROMISED_MINUTES} min, so the alarm would go off without need"
        found.append(Problem(f"{name}.longest_lag_s", str(args.longest_lag_s), rule, f"Use {PROMISED_MINUTES * 60}"))
    return found
