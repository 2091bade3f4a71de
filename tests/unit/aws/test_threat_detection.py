"""GuardDuty: the detector and agent of a region, and the topic with its findings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra import aws
from novacron_infra.aws.keys import render_key_policy
from novacron_infra.config import Detector, Severity
from novacron_infra.regions import RegionThreatDetection

from tests.unit.aws import samples
from tests.unit.aws.aws_api import problems
from tests.unit.aws.graph import declare
from tests.unit.aws.test_region import region
from tests.unit.graph import Graph

DETECTOR, FEATURE, ADDON = (
    "aws:guardduty/detector:Detector",
    "aws:guardduty/detectorFeature:DetectorFeature",
    "aws:eks/addon:Addon",
)
TOPIC, RULE = "aws:sns/topic:Topic", "aws:cloudwatch/eventRule:EventRule"


def detect(**changes: Any) -> Graph:
    args = replace(samples.THREATS, **changes)
    return declare(lambda opts: aws.AwsThreatDetection("prod", args, opts).topic_arn)


def test_managed_detector_reads_audit_logs_and_installs_agents_in_nothing_else() -> None:
    graph = detect()
    assert graph.one(DETECTOR).inputs["enable"] is True
    features = {item.inputs["name"]: item.inputs for item in graph.of(FEATURE)}
    assert {inputs["status"] for inputs in features.values()} == {"ENABLED"}
    assert "additionalConfigurations" not in features["EKS_AUDIT_LOGS"]
    agents = features["RUNTIME_MONITORING"]["additionalConfigurations"]
    assert {agent["status"] for agent in agents} == {"DISABLED"}
    assert graph.one(ADDON).inputs["addonName"] == "aws-guardduty-agent"
    assert graph.one("aws:ec2/vpcEndpoint:VpcEndpoint").inputs["serviceName"].endswith("us-west-2.guardduty-data")


def test_existing_detector_gets_alerts_only() -> None:
    graph = detect(detector=Detector.EXISTING)
    assert [graph.of(type_) for type_ in (DETECTOR, FEATURE, ADDON, "aws:ec2/vpcEndpoint:VpcEndpoint")] == [[]] * 4
    assert graph.one(TOPIC).inputs["kmsMasterKeyId"] == samples.LOGS_KEY


@pytest.mark.parametrize(("severity", "least"), [(Severity.LOW, 1), (Severity.MEDIUM, 4), (Severity.HIGH, 7)])
def test_the_rule_matches_findings_from_the_severity_up(severity: Severity, least: int) -> None:
    pattern = json.loads(detect(minimum_severity=severity).one(RULE).inputs["eventPattern"])
    assert pattern["detail"] == {"severity": [{"numeric": [">=", least]}]}
    assert pattern["source"] == ["aws.guardduty"]


def test_only_the_rule_may_publish_to_the_topic() -> None:
    graph = detect()
    (statement,) = json.loads(graph.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"])["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"].endswith("prod-threats")
    assert [item.inputs["endpoint"] for item in graph.of("aws:sns/topicSubscription:TopicSubscription")] == [
        "security@example.com"
    ]


def test_events_may_use_the_key_of_the_logs_only_if_they_are_alerts() -> None:
    def list_services(events: bool, use: aws.KeyUse = aws.KeyUse.LOGS) -> list[str]:
        policy = json.loads(render_key_policy(use, "123456789012", "aws", "us-west-2", events=events))
        return [item["Principal"].get("Service", "") for item in policy["Statement"]]

    assert "events.amazonaws.com" in list_services(events=True)
    assert "events.amazonaws.com" not in list_services(events=False)
    assert "events.amazonaws.com" not in list_services(events=True, use=aws.KeyUse.STORAGE)


def test_a_region_has_threat_detection_only_if_its_specification_has() -> None:
    plain = region()
    assert "threat_alerts" not in plain.result
    assert [plain.of(type_) for type_ in (DETECTOR, TOPIC)] == [[], []]
    detected = region(threat_detection=RegionThreatDetection(detector=Detector.MANAGED))
    assert detected.result["threat_alerts"].endswith(f":{detected.one(TOPIC).name}")
    added = {(item.type, item.name) for item in detected.custom} - {(item.type, item.name) for item in plain.custom}
    assert added
    # Ids of mocked subnets are not valid for AWS.
    checked = [item for item in detected.custom if (item.type, item.name) in added and "subnetIds" not in item.inputs]
    assert [problem for item in checked for problem in problems(item)] == []
