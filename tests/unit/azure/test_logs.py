"""Logs of the containers of an AKS cluster in the workspace of the region."""

from __future__ import annotations

from dataclasses import replace

from novacron_infra.azure import AksCluster

from tests.unit.azure import samples
from tests.unit.azure.azure_api import problems
from tests.unit.azure.graph import declare

RULE, ASSOCIATION = "monitor:DataCollectionRule", "monitor:DataCollectionRuleAssociation"


def test_the_cluster_sends_logs_by_a_rule_to_the_workspace_without_shared_keys() -> None:
    graph = declare(lambda opts: AksCluster("prod", samples.CLUSTER, opts).name)
    add_on = graph.one("containerservice:ManagedCluster").inputs["addonProfiles"]["omsagent"]
    assert add_on == {
        "enabled": True,
        "config": {"logAnalyticsWorkspaceResourceID": samples.WORKSPACE, "useAADAuth": "true"},
    }
    rule, association = graph.one(RULE), graph.one(ASSOCIATION)
    assert problems(rule) + problems(association) == []
    (destination,) = rule.inputs["destinations"]["logAnalytics"]
    assert destination["workspaceResourceId"] == samples.WORKSPACE
    (flow,) = rule.inputs["dataFlows"]
    assert flow == {"streams": ["Microsoft-ContainerLogV2"], "destinations": [destination["name"]]}
    assert association.inputs["associationName"] == "ContainerInsightsExtension"
    assert "prod-cluster" in association.inputs["resourceUri"]


def test_without_it_nothing_collects_logs() -> None:
    graph = declare(lambda opts: AksCluster("prod", replace(samples.CLUSTER, container_logs=False), opts).name)
    assert "omsagent" not in graph.one("containerservice:ManagedCluster").inputs["addonProfiles"]
    assert graph.of(RULE) == []
