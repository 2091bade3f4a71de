"""The copy of an EFS file system in another region, and an alarm when it falls behind."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

LONGEST_LAG_S = 3600
"""When the alarm goes off. EFS promises 15 minutes for most file systems."""
_ALARM_PERIOD_S, _ALARM_PERIODS = 300, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsFileReplicationArgs:
    """From one file system to one other, which is all that EFS does."""

    source_id: pulumi.Input[str]
    replica_id: pulumi.Input[str]
    """Id of a file system with `AwsEfsArgs.replica`. EFS overwrites it, and only EFS writes to it."""
    replica_region: str
    tags: Tags
    alarm_topic_arns: tuple[pulumi.Input[str], ...] = ()


class AwsFileReplication(pulumi.ComponentResource):
    """Replication of all files, deletions as well, with an alarm. Pass the provider of the source's region.

    The metric is looked for in the source's region (not verified against an account). When this goes, the replica
    stays as it is and can be written to.
    """

    replication: aws.efs.ReplicationConfiguration
    alarm: aws.cloudwatch.MetricAlarm

    def __init__(self, name: str, args: AwsFileReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags)])
        super().__init__("novacron:index:AwsFileReplication", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.replication = aws.efs.ReplicationConfiguration(
            f"{name}-replication",
            source_file_system_id=args.source_id,
            destination=aws.efs.ReplicationConfigurationDestinationArgs(
                file_system_id=args.replica_id, region=args.replica_region
            ),
            opts=child,
        )
        self.alarm = aws.cloudwatch.MetricAlarm(
            f"{name}-lag-{args.replica_region}",
            alarm_description=f"Models reach {args.replica_region} later than {LONGEST_LAG_S} s after they are written",
            namespace="AWS/EFS",
            metric_name="TimeSinceLastSync",
            dimensions={"FileSystemId": args.source_id, "DestinationFileSystemId": args.replica_id},
            statistic="Maximum",
            period=_ALARM_PERIOD_S,
            evaluation_periods=_ALARM_PERIODS,
            comparison_operator="GreaterThanThreshold",
            threshold=LONGEST_LAG_S,
            # Replication that stopped tells nothing any more.
            treat_missing_data="breaching",
            alarm_actions=list(args.alarm_topic_arns),
            tags=args.tags.of("models"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.replication]),
        )
        self.register_outputs({"replica_region": args.replica_region})
