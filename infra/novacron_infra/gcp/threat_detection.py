"""Alerts on threats that Security Command Center finds in a project.

Not for turning it on: Google Cloud has no API for that. Findings of threats need its tier Premium or Enterprise,
activated for the project or its organization; Container Threat Detection then runs in every GKE cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.config import Severity
from novacron_infra.errors import raise_problems
from novacron_infra.gcp.checks import build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

_SEVERITIES = {
    Severity.LOW: ("LOW", "MEDIUM", "HIGH", "CRITICAL"),
    Severity.MEDIUM: ("MEDIUM", "HIGH", "CRITICAL"),
    Severity.HIGH: ("HIGH", "CRITICAL"),
}
_ALERT_PERIOD_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpThreatAlertsArgs:
    """Arguments of `GcpThreatAlerts`."""

    project: str
    region: str
    """Region in which Pub/Sub stores the findings, that of the key."""
    key_id: pulumi.Input[str]
    """Key of the topic, which Pub/Sub may use: `GcpKeysArgs.pubsub`."""
    tags: Tags
    minimum_severity: Severity = Severity.MEDIUM
    alert_emails: tuple[str, ...] = ()
    """Addresses that get an email when there are new findings. The findings are in the topic and in the console."""


class GcpThreatAlerts(pulumi.ComponentResource):
    """An encrypted Pub/Sub topic that gets the project's findings, and an alert that sends email.

    The project has the APIs `securitycenter.googleapis.com`, `pubsub.googleapis.com` and `monitoring.googleapis.com`.

    Raises:
        ArgumentError: if the name or a label is not valid.
    """

    topic: gcp.pubsub.Topic
    topic_id: pulumi.Output[str]
    """`projects/…/topics/…`."""

    def __init__(self, name: str, args: GcpThreatAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags)])
        super().__init__("novacron:index:GcpThreatAlerts", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._name, self._args, self._child = name, args, child
        self.topic = gcp.pubsub.Topic(
            f"{name}-threats",
            kms_key_name=args.key_id,
            message_storage_policy=gcp.pubsub.TopicMessageStoragePolicyArgs(allowed_persistence_regions=[args.region]),
            labels=build_labels(args.tags, "security"),
            opts=child,
        )
        self.topic_id = self.topic.id
        publisher = gcp.securitycenter.NotificationServiceAccount(
            f"{name}-publishes-threats", project=args.project, opts=child
        )
        may_publish = gcp.pubsub.TopicIAMMember(
            f"{name}-publishes-threats",
            topic=self.topic.id,
            role="roles/pubsub.publisher",
            member=publisher.member,
            opts=child,
        )
        gcp.securitycenter.V2ProjectNotificationConfig(
            f"{name}-threats",
            config_id=f"{name}-threats",
            project=args.project,
            location="global",
            description="Active findings of threats that are alerts",
            pubsub_topic=self.topic.id,
            streaming_config=gcp.securitycenter.V2ProjectNotificationConfigStreamingConfigArgs(
                filter=render_filter(args.minimum_severity)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_publish]),
        )
        if args.alert_emails:
            self._declare_alert()
        self.register_outputs({"topic_id": self.topic_id})

    def _declare_alert(self) -> None:
        args = self._args
        labels = build_labels(args.tags, "security")
        channels = [
            gcp.monitoring.NotificationChannel(
                f"{self._name}-threats-{address}",
                type="email",
                display_name=f"Threats in {args.project}: {address}",
                labels={"email_address": address},
                user_labels=labels,
                opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=f"{self._name}-threats-{index}")]),
            )
            for index, address in enumerate(args.alert_emails)
        ]
        monitoring = gcp.monitoring
        monitoring.AlertPolicy(
            f"{self._name}-threats",
            display_name=f"{self._name}: Security Command Center found a threat",
            combiner="OR",
            severity="CRITICAL",
            conditions=[
                monitoring.AlertPolicyConditionArgs(
                    display_name="A finding was published",
                    condition_threshold=monitoring.AlertPolicyConditionConditionThresholdArgs(
                        filter=self.topic.name.apply(_count_messages),
                        comparison="COMPARISON_GT",
                        threshold_value=0,
                        duration="0s",
                        evaluation_missing_data="EVALUATION_MISSING_DATA_INACTIVE",
                        aggregations=[
                            monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                                alignment_period=f"{_ALERT_PERIOD_S}s",
                                per_series_aligner="ALIGN_SUM",
                                cross_series_reducer="REDUCE_SUM",
                            )
                        ],
                    ),
                )
            ],
            notification_channels=[channel.name for channel in channels],
            user_labels=labels,
            opts=self._child,
        )


def render_filter(minimum: Severity) -> str:
    """Return the filter of findings that are alerts."""
    severities = " OR ".join(f'severity="{severity}"' for severity in _SEVERITIES[minimum])
    return f'state="ACTIVE" AND finding_class="THREAT" AND NOT mute="MUTED" AND ({severities})'


def _count_messages(topic: str) -> str:
    """Return the filter of the metric that counts the topic's messages."""
    return (
        'resource.type = "pubsub_topic" AND metric.type = "pubsub.googleapis.com/topic/send_message_operation_count" '
        f'AND resource.labels.topic_id = "{topic.rpartition("/")[2]}"'
    )
