"""Rules for threat detection that need regions on Google Cloud."""

from __future__ import annotations

import pytest
from novacron_infra.config import CloudEnvironment, Detector, Platform, Security, ThreatDetection, load
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.security import check_threat_detection

from tests.unit.config.environments import PROD


@pytest.mark.parametrize(("choice", "count"), [(Detector.MANAGED, 1), (Detector.EXISTING, 0), (Detector.NONE, 0)])
def test_security_command_center_is_activated_by_a_person(choice: Detector, count: int) -> None:
    config = load(PROD)
    assert isinstance(config, CloudEnvironment)
    regions = tuple(region.model_copy(update={"overrides": None}) for region in config.regions)
    security = Security(threat_detection=ThreatDetection(gcp=choice))
    found = list(check_threat_detection(Parts(platform=Platform.GCP, regions=regions, security=security)))
    assert len(found) == count
    assert all(item.path.endswith("security.threat_detection.gcp") and "console" in item.fix for item in found)
