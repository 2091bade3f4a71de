"""`alarms`: where the clouds send alarms."""

from __future__ import annotations

from novacron_infra.config.sections.base import Name, Section


class Alarms(Section):
    """Who is told when copies of models or configuration are late; nobody: the alarm shows in the cloud's console."""

    aws_topic_arns: tuple[Name, ...] = ()
    """ARNs of SNS topics in the first region on AWS."""
    google_channels: tuple[Name, ...] = ()
    """Notification channels of Cloud Monitoring: projects/…/notificationChannels/…"""
    azure_action_groups: tuple[Name, ...] = ()
    """Resource ids of action groups."""
