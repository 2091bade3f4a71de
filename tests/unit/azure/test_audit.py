"""Audit records and admission policies on Azure, as auditors and scanners ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from novacron_infra.azure import AksCluster, AzureModelStore, AzurePostgres
from novacron_infra.config import DatabaseStatements

from tests.unit.azure import samples
from tests.unit.azure.graph import declare
from tests.unit.graph import Graph

CONFIGURATION = "dbforpostgresql:Configuration"


def parameters(graph: Graph) -> dict[str, str]:
    return {item.inputs["configurationName"]: item.inputs["value"] for item in graph.of(CONFIGURATION)}


def test_postgres_takes_tls_only_and_logs_connections_lock_waits_slow_statements_and_schema_changes() -> None:
    found = parameters(declare(lambda opts: AzurePostgres("state", samples.POSTGRES, opts).endpoint))
    assert found["require_secure_transport"] == "on"
    assert found["log_connections"] == found["log_disconnections"] == found["log_lock_waits"] == "on"
    assert found["log_min_duration_statement"] == "1000"
    assert "pgaudit" in found["shared_preload_libraries"].split(",")
    assert (found["azure.extensions"], found["pgaudit.log"]) == ("PGAUDIT", "ddl,role")


def test_postgres_does_not_write_passwords_into_its_log() -> None:
    found = parameters(declare(lambda opts: AzurePostgres("state", samples.POSTGRES, opts).endpoint))
    assert found["log_statement"] == "none"


def test_the_server_gets_one_parameter_after_the_other() -> None:
    graph = declare(lambda opts: AzurePostgres("state", samples.POSTGRES, opts).endpoint)
    first, *others = graph.of(CONFIGURATION)
    assert first.name == "state-tls"
    before = {first.name}
    for item in others:
        assert before & set(item.dependencies), item.name
        before = {item.name}


@pytest.mark.parametrize(
    ("statements", "classes"), [(DatabaseStatements.NONE, "none"), (DatabaseStatements.ALL, "all")]
)
def test_the_configuration_chooses_the_statements_that_are_logged(statements: DatabaseStatements, classes: str) -> None:
    args = replace(samples.POSTGRES, statements=statements)
    found = parameters(declare(lambda opts: AzurePostgres("state", args, opts).endpoint))
    assert found["pgaudit.log"] == classes


def test_the_cluster_enforces_azure_policy_unless_it_is_off() -> None:
    for on in (True, False):
        args = replace(samples.CLUSTER, admission_policies=on)
        graph = declare(lambda opts, args=args: AksCluster("prod", args, opts).name)
        add_ons = graph.one("containerservice:ManagedCluster").inputs.get("addonProfiles") or {}
        assert add_ons.get("azurepolicy", {"enabled": False})["enabled"] is on


def test_requests_to_models_are_logged_where_there_is_a_workspace() -> None:
    args = replace(samples.STORE, workspace_id="workspace")
    graph = declare(lambda opts: AzureModelStore("models", args, opts).account_id)
    setting = graph.one("monitor:DiagnosticSetting").inputs
    assert setting["resourceUri"].endswith("/blobServices/default")
    assert [log["category"] for log in setting["logs"]] == ["StorageRead", "StorageWrite", "StorageDelete"]
    without = replace(samples.STORE, workspace_id=None)
    assert (
        declare(lambda opts: AzureModelStore("models", without, opts).account_id).of("monitor:DiagnosticSetting") == []
    )
