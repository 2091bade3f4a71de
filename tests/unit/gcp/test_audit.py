"""Audit records and admission policies on Google Cloud, as auditors and scanners ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from novacron_infra.config import DatabaseStatements
from novacron_infra.gcp import GcpPostgres, GkeCluster
from novacron_infra.gcp.access_logs import declare_access_logs

from tests.unit.gcp import samples
from tests.unit.gcp.graph import PROJECT, declare
from tests.unit.graph import Graph


def flags(graph: Graph) -> dict[str, str]:
    settings = graph.one("gcp:sql/databaseInstance:DatabaseInstance").inputs["settings"]
    return {flag["name"]: flag["value"] for flag in settings["databaseFlags"]}


def test_postgres_logs_connections_lock_waits_slow_statements_and_schema_changes() -> None:
    found = flags(declare(lambda opts: GcpPostgres("state", samples.POSTGRES, opts).endpoint))
    assert found["log_connections"] == found["log_disconnections"] == found["log_lock_waits"] == "on"
    assert found["log_checkpoints"] == "on"
    assert found["log_min_duration_statement"] == "1000"
    assert (found["cloudsql.enable_pgaudit"], found["pgaudit.log"]) == ("on", "ddl,role")


def test_postgres_does_not_write_passwords_into_its_log() -> None:
    found = flags(declare(lambda opts: GcpPostgres("state", samples.POSTGRES, opts).endpoint))
    assert found["log_statement"] == "none"


@pytest.mark.parametrize(
    ("statements", "classes"), [(DatabaseStatements.NONE, "none"), (DatabaseStatements.ALL, "all")]
)
def test_the_configuration_chooses_the_statements_that_are_logged(statements: DatabaseStatements, classes: str) -> None:
    args = replace(samples.POSTGRES, statements=statements)
    assert flags(declare(lambda opts: GcpPostgres("state", args, opts).endpoint))["pgaudit.log"] == classes


@pytest.mark.parametrize(("on", "mode"), [(True, "PROJECT_SINGLETON_POLICY_ENFORCE"), (False, "DISABLED")])
def test_the_cluster_enforces_binary_authorization_unless_it_is_off(on: bool, mode: str) -> None:
    args = replace(samples.CLUSTER, admission_policies=on)
    graph = declare(lambda opts: GkeCluster("prod", args, opts).name)
    assert graph.one("gcp:container/cluster:Cluster").inputs["binaryAuthorization"] == {"evaluationMode": mode}


def test_reads_and_writes_of_objects_are_in_the_audit_log() -> None:
    graph = declare(lambda opts: declare_access_logs("prod", PROJECT, opts).service)
    config = graph.one("gcp:projects/iAMAuditConfig:IAMAuditConfig")
    assert (config.inputs["service"], config.inputs["project"]) == ("storage.googleapis.com", PROJECT)
    assert [item["logType"] for item in config.inputs["auditLogConfigs"]] == ["DATA_READ", "DATA_WRITE"]
