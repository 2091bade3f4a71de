"""Rules for the receivers of alarms."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts, find_kind
from novacron_infra.config.sections.platform import EnvironmentKind, Platform
from novacron_infra.errors import Problem

_RECEIVERS = {
    Platform.AWS: (
        "AWS",
        "aws_topic_arns",
        "an SNS topic in {region}, such as arn:aws:sns:{region}:123456789012:alarms",
    ),
    Platform.GCP: (
        "Google Cloud",
        "google_channels",
        "a channel of Cloud Monitoring, such as projects/acme/notificationChannels/123",
    ),
    Platform.AZURE: ("Azure", "azure_action_groups", "the resource id of an action group of Azure Monitor"),
}
"""Each cloud's name, the key of its receivers, and what to name there."""


def check_alarm_receivers(parts: Parts) -> Iterator[Problem]:
    """Report each cloud of a production environment without a receiver of its alarms."""
    platform, alarms = parts.get("platform"), parts.get("alarms")
    if find_kind(parts) is not EnvironmentKind.PRODUCTION or platform is None or alarms is None:
        return
    first: dict[Platform, str] = {}
    for region in parts.get("regions", ()):
        first.setdefault(region.find_platform(platform), region.name)
    for cloud, name in first.items():
        title, key, receiver = _RECEIVERS[cloud]
        if not getattr(alarms, key):
            rule = f"production needs a receiver of its alarms on {title}"
            value = [] if key in alarms.model_fields_set else MISSING
            yield problem(f"alarms.{key}", value, rule, f"Name {receiver.format(region=name)}")
