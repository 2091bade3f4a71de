"""Which service detects threats in each cloud of an environment."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.config import CloudEnvironment, Detector, Platform

_SERVICES = {
    Platform.AWS: "GuardDuty",
    Platform.GCP: "Security Command Center",
    Platform.AZURE: "Microsoft Defender for Containers",
}


@dataclass(frozen=True)
class ThreatDetector:
    """The threat detection of one cloud."""

    platform: Platform
    service: str
    """Name of the cloud's service."""
    detector: Detector


def list_threat_detectors(config: CloudEnvironment) -> tuple[ThreatDetector, ...]:
    """Return the threat detection of each cloud that has regions."""
    settings = config.security.threat_detection
    return tuple(ThreatDetector(cloud, _SERVICES[cloud], settings.choose(cloud)) for cloud in config.platforms)
