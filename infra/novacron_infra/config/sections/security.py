"""`security`: threat detection by the clouds' own services."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from novacron_infra.config.sections.base import Section, TextPattern
from novacron_infra.config.sections.platform import Platform

EmailAddress = Annotated[
    str,
    TextPattern(r"[^\s@;,]+@[^\s@;,]+\.[^\s@;,.]+", "an email address has one @ and a domain", "security@example.com"),
]


class Detector(str, Enum):
    """Whether a cloud's threat detection is on, and whether the stack owns it."""

    MANAGED = "managed"
    """The stack turns it on, for the whole account or subscription."""
    EXISTING = "existing"
    """It is on already. The stack only connects its clusters and alerts to it."""
    NONE = "none"
    """It is off, or has nothing to do with the stack."""


class Severity(str, Enum):
    """The severity of a finding."""

    LOW = "low"
    """A suspicious attempt that did not succeed."""
    MEDIUM = "medium"
    """Activity that differs from what is normal."""
    HIGH = "high"
    """A resource that is likely to be compromised."""


class ThreatDetection(Section):
    """Threat detection in the accounts of the regions, and its alerts.

    An account has one detector in a region, and a subscription has one plan. If another stack or your organization
    owns it, use `existing`. docs/threat-detection.md has the details of each cloud.
    """

    aws: Detector = Detector.NONE
    """GuardDuty, in each region on AWS: audit logs of EKS, and processes on the nodes."""
    gcp: Detector = Detector.NONE
    """Security Command Center of the Google Cloud project. `managed` is not possible: a person activates it."""
    azure: Detector = Detector.NONE
    """Microsoft Defender for Containers, a plan of the Azure subscription."""
    alert_emails: tuple[EmailAddress, ...] = ()
    """Addresses that get an email for each finding. AWS sends nothing to an address until its owner confirms it."""
    minimum_severity: Severity = Severity.MEDIUM
    """Least severity of a finding that is an alert."""

    def choose(self, platform: Platform) -> Detector:
        """Return the choice for a cloud. It is `none` for other platforms."""
        choices = {Platform.AWS: self.aws, Platform.GCP: self.gcp, Platform.AZURE: self.azure}
        return choices.get(platform, Detector.NONE)


class Security(Section):
    """Threat detection."""

    threat_detection: ThreatDetection = ThreatDetection()
    """Threat detection by the clouds' own services."""
