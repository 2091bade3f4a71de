"""Rules for the receivers of alarms."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import Cloud
from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts, find_kind, list_clouds, list_regions
from novacron_infra.config.sections.alarms import RECEIVER_KEYS
from novacron_infra.config.sections.platform import EnvironmentKind
from novacron_infra.errors import Problem

_RECEIVERS = {
    Cloud.AWS: ("AWS", "an SNS topic in {region}, such as arn:aws:sns:{region}:123456789012:alarms"),
    Cloud.GCP: (
        "Google Cloud",
        "a channel of Cloud Monitoring, such as projects/acme/notificationChannels/123",
    ),
    Cloud.AZURE: ("Azure", "the resource id of an action group of Azure Monitor"),
}
"""Each cloud's name, and what to name as a receiver."""


def check_alarm_receivers(parts: Parts) -> Iterator[Problem]:
    """Report each cloud of a production environment without a receiver of its alarms."""
    alarms = parts.get("alarms")
    if find_kind(parts) is not EnvironmentKind.PRODUCTION or alarms is None:
        return
    for cloud in list_clouds(parts):
        key, (title, receiver) = RECEIVER_KEYS[cloud], _RECEIVERS[cloud]
        if not getattr(alarms, key):
            rule = f"production needs a receiver of its alarms on {title}"
            value = [] if key in alarms.model_fields_set else MISSING
            fix = f"Name {receiver.format(region=list_regions(parts, cloud)[0].name)}"
            yield problem(f"alarms.{key}", value, rule, fix)
