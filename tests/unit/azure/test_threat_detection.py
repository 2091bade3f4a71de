"""Defender for Containers: the template of the subscription's settings, and the clusters' sensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.azure import AksCluster, AzureThreatDetection
from novacron_infra.azure.threat_detection import list_settings
from novacron_infra.config import Severity
from novacron_rehearsal.clouds.input_checks import check_inputs

from tests.unit.azure import samples
from tests.unit.azure.graph import declare

TYPES = {
    "Microsoft.Security/pricings": ("azure-native:security:Pricing", "pricingName"),
    "Microsoft.Security/securityContacts": ("azure-native:security:SecurityContact", "securityContactName"),
}
EMAILS = ("security@example.com", "on-call@example.com")


def describe(setting: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a setting of the template as the type and inputs that azure-native would take."""
    type_, name = TYPES[setting["type"]]
    scope = {"scopeId": "subscriptions/1"} if type_.endswith("Pricing") else {}
    return type_, {name: setting["name"], **scope, **setting["properties"]}


def test_the_template_has_the_properties_that_the_sdk_knows() -> None:
    settings = list_settings(Severity.MEDIUM, EMAILS)
    assert [problem for setting in settings for problem in check_inputs(*describe(setting))] == []


@pytest.mark.parametrize("path", ["properties.tier", "properties.emails"])
def test_the_check_finds_a_property_that_the_sdk_does_not_know(path: str) -> None:
    plan, _ = list_settings(Severity.MEDIUM, EMAILS)
    type_, inputs = describe(plan)
    assert check_inputs(type_, {**inputs, path.rpartition(".")[2]: "Standard"})


def test_a_contact_is_set_only_if_there_are_addresses() -> None:
    plan, contact = list_settings(Severity.HIGH, EMAILS)
    assert list_settings(Severity.HIGH, ()) == [plan]
    assert contact["properties"]["emails"] == "security@example.com;on-call@example.com"
    assert contact["properties"]["notificationsSources"] == [{"sourceType": "Alert", "minimalSeverity": "High"}]


def test_the_plan_is_set_by_an_incremental_deployment() -> None:
    graph = declare(lambda opts: AzureThreatDetection("prod-threats", samples.THREATS, opts).urn)
    deployment = graph.one("resources:DeploymentAtSubscriptionScope", "prod-threats-defender")
    assert deployment.inputs["properties"]["mode"] == "Incremental"
    assert deployment.inputs["location"] == samples.REGION


def test_the_sensor_sends_to_the_workspace_of_the_region_and_is_off_by_default() -> None:
    graph = declare(lambda opts: AksCluster("prod", samples.CLUSTER, opts).name)
    sensor = graph.one("containerservice:ManagedCluster").inputs["securityProfile"]["defender"]
    assert sensor["logAnalyticsWorkspaceResourceId"] == samples.WORKSPACE
    assert sensor["securityMonitoring"] == {"enabled": True}
    graph = declare(lambda opts: AksCluster("prod", replace(samples.CLUSTER, defender=False), opts).name)
    assert "defender" not in graph.one("containerservice:ManagedCluster").inputs["securityProfile"]
