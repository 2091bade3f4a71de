"""`alarms`: where the clouds send alarms."""

from __future__ import annotations

from novacron_infra.catalog import Cloud
from novacron_infra.config.sections.base import Name, Section


class Alarms(Section):
    """Where the clouds send an alarm when models or configuration are replicated too late.

    Without a destination an alarm is only shown in the cloud's console, which production does not allow.
    """

    aws_topic_arns: tuple[Name, ...] = ()
    """ARNs of SNS topics, which must be in the primary region, or else in the first region on AWS by name."""
    google_channels: tuple[Name, ...] = ()
    """Notification channels of Cloud Monitoring, written projects/PROJECT/notificationChannels/ID."""
    azure_action_groups: tuple[Name, ...] = ()
    """Resource ids of Azure Monitor action groups."""


RECEIVER_KEYS = {
    Cloud.AWS: "aws_topic_arns",
    Cloud.GCP: "google_channels",
    Cloud.AZURE: "azure_action_groups",
}
"""The key with the receivers of each cloud."""
