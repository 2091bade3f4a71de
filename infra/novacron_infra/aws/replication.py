"""Copies of models and configuration in other regions, and alarms when copies are late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import render_policy, render_service_trust
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

PROMISED_MINUTES = 15
"""S3 replication time control: 99.9% of objects within 15 minutes."""
SHORTEST_LAG_S = 60
"""Shortest lag that the configuration's alarm can detect: it evaluates once a minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Folder:
    """Objects with their own replication rule to each region."""

    what: str
    names: str
    """Prefix of the objects' names."""
    suffix: str
    """Suffix of the rules' ids."""
    longest_lag_s: int
    alarm_period_s: int
    alarm_periods: int
    """Number of consecutive periods that trigger the alarm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A bucket that receives copies."""

    bucket_arn: pulumi.Input[str]
    """ARN of a bucket with versioning."""
    bucket: str
    key_arn: pulumi.Input[str]
    """ARN of a key in the replica's region."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsModelReplicationArgs:
    """From one bucket to others."""

    source_bucket: str
    source_bucket_arn: pulumi.Input[str]
    """Name of a bucket with versioning."""
    source_key_arn: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """By region."""
    tags: Tags
    longest_lag_s: int = 3600
    """When the alarm of the models goes off."""
    longest_configuration_lag_s: int = 300
    """When the alarm of the configuration goes off."""
    alarm_topic_arns: tuple[pulumi.Input[str], ...] = ()
    prefix: str = "models/"
    """Prefix of the models' names; empty for all objects."""
    configuration_prefix: str = "configuration/"


class AwsModelReplication(pulumi.ComponentResource):
    """Replication with time control to each region: a rule and an alarm for the models, and for the configuration.

    S3 promises 15 minutes for both. That configuration arrives within 5 is an objective that S3 usually meets and does
    not promise: its alarm tells when it was missed.

    Metrics are looked for in the source's region (not verified against an account).

    Raises:
        ArgumentError: there is no replica, the alarm of the models would go off while replication keeps its promise, or
            that of the configuration more often than it looks.
    """

    replication: aws.s3.BucketReplicationConfig
    alarms: dict[str, aws.cloudwatch.MetricAlarm]
    """Alarm of the models of each region."""
    configuration_alarms: dict[str, aws.cloudwatch.MetricAlarm]
    """By region."""

    def __init__(self, name: str, args: AwsModelReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AwsModelReplication", name, None, opts)
        self._name, self._args = name, args
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("models")
        models = _Folder(
            what="Models",
            names=args.prefix,
            suffix="",
            longest_lag_s=args.longest_lag_s,
            alarm_period_s=300,
            alarm_periods=3,
        )
        configuration = _Folder(
            what="Configuration",
            names=args.configuration_prefix,
            suffix="-configuration",
            longest_lag_s=args.longest_configuration_lag_s,
            alarm_period_s=SHORTEST_LAG_S,
            alarm_periods=1,
        )
        role = aws.iam.Role(
            f"{name}-replication", assume_role_policy=render_service_trust("s3.amazonaws.com"), tags=tags, opts=child
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
                _rule(f"{region}{folder.suffix}", priority, replica, folder.names)
                # The higher priority wins: configuration has its own rule even if the models' one is for every object.
                for priority, (folder, (region, replica)) in enumerate(
                    product((models, configuration), args.replicas.items())
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_copy]),
        )
        self.alarms = {region: self._alarm(region, replica, models) for region, replica in args.replicas.items()}
        self.configuration_alarms = {
            region: self._alarm(region, replica, configuration) for region, replica in args.replicas.items()
        }
        self.register_outputs({"regions": list(args.replicas)})

    def _alarm(self, region: str, replica: ReplicaArgs, folder: _Folder) -> aws.cloudwatch.MetricAlarm:
        args = self._args
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-lag-{region}{folder.suffix}",
            alarm_description=f"{folder.what} for {region} needs more than {folder.longest_lag_s} s to get there",
            namespace="AWS/S3",
            metric_name="ReplicationLatency",
            dimensions={
                "SourceBucket": args.source_bucket,
                "DestinationBucket": replica.bucket,
                "RuleId": f"{region}{folder.suffix}",
            },
            statistic="Maximum",
            period=folder.alarm_period_s,
            evaluation_periods=folder.alarm_periods,
            comparison_operator="GreaterThanThreshold",
            threshold=folder.longest_lag_s,
            # There is no value while nothing is uploaded.
            treat_missing_data="notBreaching",
            alarm_actions=list(args.alarm_topic_arns),
            tags=args.tags.of("models"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _rule(rule_id: str, priority: int, replica: ReplicaArgs, prefix: str) -> aws.s3.BucketReplicationConfigRuleArgs:
    return aws.s3.BucketReplicationConfigRuleArgs(
        id=rule_id,
        priority=priority,
        status="Enabled",
        filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=prefix),
        # What is deleted by mistake stays in the other regions.
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
    return render_policy(
        _allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], [source]),
        _allow(reads, [f"{source}/*"]),
        _allow(writes, [f"{arn}/*" for arn in replicas]),
        _allow(["kms:Decrypt"], [known["source_key"]]),
        _allow(["kms:Encrypt"], known["replica_keys"]),
    )


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _check_args(name: str, args: AwsModelReplicationArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.replicas:
        found.append(Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's bucket"))
    if args.longest_lag_s < PROMISED_MINUTES * 60:
        rule = f"replication promises {PROMISED_MINUTES} min, so the alarm would go off without need"
        found.append(Problem(f"{name}.longest_lag_s", str(args.longest_lag_s), rule, f"Use {PROMISED_MINUTES * 60}"))
    if args.longest_configuration_lag_s < SHORTEST_LAG_S:
        path, rule = f"{name}.longest_configuration_lag_s", f"its alarm looks every {SHORTEST_LAG_S} s"
        found.append(Problem(path, str(args.longest_configuration_lag_s), rule, f"Use {SHORTEST_LAG_S} or more"))
    return found
