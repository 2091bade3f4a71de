"""Security Command Center: findings in a Pub/Sub topic, and the alert on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.config import Detector, Severity
from novacron_infra.gcp import GcpThreatAlerts
from novacron_infra.gcp.region import GcpRegion
from novacron_infra.gcp.threat_detection import render_filter
from novacron_infra.regions import RegionThreatDetection

from tests.unit.gcp import samples
from tests.unit.gcp.gcp_api import problems
from tests.unit.gcp.graph import declare
from tests.unit.graph import Graph

TOPIC, CONFIG = (
    "gcp:pubsub/topic:Topic",
    "gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig",
)
GRANT, KEY_GRANT = "gcp:pubsub/topicIAMMember:TopicIAMMember", "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"


def alerts(**changes: Any) -> Graph:
    args = replace(samples.THREATS, **changes)
    return declare(lambda opts: GcpThreatAlerts("prod", args, opts).topic_id)


def region(threats: RegionThreatDetection | None) -> Graph:
    args = replace(samples.GCP_REGION, spec=replace(samples.SPEC, threat_detection=threats))
    return declare(lambda opts: GcpRegion("prod-us-central1", args, opts).results.export())


@pytest.mark.parametrize(
    ("minimum", "expected"),
    [
        (Severity.LOW, ["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
        (Severity.MEDIUM, ["MEDIUM", "HIGH", "CRITICAL"]),
        (Severity.HIGH, ["HIGH", "CRITICAL"]),
    ],
)
def test_the_filter_has_threats_from_the_severity_up(minimum: Severity, expected: list[str]) -> None:
    text = render_filter(minimum)
    assert [severity for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL") if f'"{severity}"' in text] == expected
    assert 'finding_class="THREAT"' in text


def test_only_the_agent_of_security_command_center_may_publish() -> None:
    graph = alerts()
    grant = graph.one(GRANT).inputs
    assert grant["role"] == "roles/pubsub.publisher"
    assert grant["member"].endswith("@gcp-sa-scc-notification.iam.gserviceaccount.com")
    assert graph.one(TOPIC).inputs["kmsKeyName"] == samples.STORAGE_KEY
    assert graph.one(CONFIG).inputs["configId"] == "prod-threats"


def test_without_addresses_there_is_a_topic_and_no_alert() -> None:
    graph = alerts(alert_emails=())
    assert graph.of(TOPIC)
    assert graph.of("gcp:monitoring/alertPolicy:AlertPolicy") == []


def test_alerts_of_the_project_are_in_the_first_region_and_pub_sub_may_use_its_key() -> None:
    first = region(RegionThreatDetection(detector=Detector.EXISTING))
    assert first.result["threat_alerts"] == f"projects/acme-prod/{first.one(TOPIC).name}"
    assert "prod-us-central1-storage-gcp-sa-pubsub" in {item.name for item in first.of(KEY_GRANT)}
    assert [problem for item in first.custom for problem in problems(item)] == []
    second = region(RegionThreatDetection(detector=Detector.EXISTING, first_region=False))
    assert {(item.type, item.name) for item in second.custom} == {
        (item.type, item.name) for item in region(None).custom
    }
    assert "threat_alerts" not in second.result
