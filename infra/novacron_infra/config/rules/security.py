"""Rules for threat detection."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.security import Detector
from novacron_infra.errors import Problem

_PATH = "security.threat_detection"


def check_threat_detection(parts: Parts) -> Iterator[Problem]:
    """Report a detector that cannot be managed or has no region, and alerts that nothing sends."""
    platform, security = parts.get("platform"), parts.get("security")
    if platform is None or security is None:
        return
    settings = security.threat_detection
    clouds = {region.find_platform(platform) for region in parts.get("regions", ())}
    for cloud in (Platform.AWS, Platform.GCP, Platform.AZURE):
        choice = settings.choose(cloud)
        if clouds and choice is not Detector.NONE and cloud not in clouds:
            rule = f"no region is on {cloud.value}"
            yield problem(f"{_PATH}.{cloud.value}", choice.value, rule, "Remove this key")
    if settings.gcp is Detector.MANAGED and Platform.GCP in clouds:
        rule = "Google Cloud has no API that activates Security Command Center"
        fix = "Activate it for the project or its organization in the console, then use existing"
        yield problem(f"{_PATH}.gcp", settings.gcp.value, rule, fix)
    sends = settings.aws is not Detector.NONE or settings.gcp is not Detector.NONE or settings.azure is Detector.MANAGED
    for index, address in enumerate(emails := settings.alert_emails or ()):
        if address.lower() in {earlier.lower() for earlier in emails[:index]}:
            yield problem(
                f"{_PATH}.alert_emails.{index}", address, "the list has this address twice", "Remove one of them"
            )
    if settings.alert_emails and not sends:
        rule = "no cloud sends alerts to them"
        if settings.azure is Detector.EXISTING:
            rule = "with azure: existing, the subscription's own security contact gets the alerts"
        yield problem(f"{_PATH}.alert_emails", settings.alert_emails, rule, "Remove this key, or turn a detector on")
