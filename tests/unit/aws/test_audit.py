"""Access logs, logs of Postgres, and trust in services for one account only, as auditors and scanners ask for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.aws import AwsModelStore, AwsPostgres, EksPodRole
from novacron_infra.config import DatabaseStatements
from novacron_infra.errors import ArgumentError

from tests.unit.aws import samples
from tests.unit.aws.graph import ACCOUNT, declare
from tests.unit.graph import Graph

UNBOUND = {"ec2.amazonaws.com", "s3.amazonaws.com"}
"""Services that do not document the conditions."""


def trusts(graph: Graph) -> dict[str, dict[str, Any]]:
    """The statement of each role that a service may assume, by the role's name."""
    found: dict[str, dict[str, Any]] = {}
    for role in graph.of("aws:iam/role:Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        if "Service" in statement["Principal"]:
            found[role.name] = statement
    return found


def test_services_assume_roles_for_this_account_only(region: Graph) -> None:
    bound = {name: item for name, item in trusts(region).items() if item["Principal"]["Service"] not in UNBOUND}
    assert {"prod-control", "network-flow-logs", "state-monitoring", "workers-role", "addons-ebs"} <= set(bound)
    for name, statement in bound.items():
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT, name


@pytest.mark.parametrize(
    ("role", "source"),
    [
        ("prod-control", f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/prod"),
        ("network-flow-logs", f"arn:aws:ec2:us-west-2:{ACCOUNT}:vpc-flow-log/*"),
        ("state-monitoring", f"arn:aws:rds:*:{ACCOUNT}:db:*"),
    ],
)
def test_a_service_assumes_a_role_for_the_resource_that_needs_it(region: Graph, role: str, source: str) -> None:
    assert trusts(region)[role]["Condition"]["ArnLike"] == {"aws:SourceArn": source}


def test_only_pods_of_the_service_account_assume_its_role(region: Graph) -> None:
    conditions = trusts(region)["workers-role"]["Condition"]["StringEquals"]
    assert conditions["aws:RequestTag/kubernetes-namespace"] == "novacron-llm"
    assert conditions["aws:RequestTag/kubernetes-service-account"] == "llm-workers"


def test_a_known_account_is_not_asked_for() -> None:
    args = replace(samples.POD_ROLE, account_id="999999999999")
    graph = declare(lambda opts: EksPodRole("workers", args, opts).role_arn)
    assert graph.invokes == []
    assert trusts(graph)["workers-role"]["Condition"]["StringEquals"]["aws:SourceAccount"] == "999999999999"


def test_requests_to_models_are_logged_in_a_private_bucket_for_a_year(region: Graph) -> None:
    logging = region.one("aws:s3/bucketLogging:BucketLogging").inputs
    assert (logging["bucket"], logging["targetBucket"]) == ("models-models-id", "models-access-logs-id")
    closed = region.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "models-access-logs").inputs
    assert [value for name, value in closed.items() if name != "bucket"] == [True] * 4
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    (rule,) = region.one(lifecycle, "models-access-logs").inputs["rules"]
    assert rule["expiration"] == {"days": 365}


def test_only_s3_writes_access_logs_and_only_those_of_the_model_bucket(region: Graph) -> None:
    policy = json.loads(region.one("aws:s3/bucketPolicy:BucketPolicy", "models-access-logs").inputs["policy"])
    (allowed,) = [item for item in policy["Statement"] if item["Effect"] == "Allow"]
    models = region.one("aws:s3/bucket:Bucket", "models-models")
    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:mock:us-west-2:{ACCOUNT}:{models.name}"},
    }


def test_access_logs_can_be_turned_off() -> None:
    args = replace(samples.STORE, access_log_days=0)
    graph = declare(lambda opts: AwsModelStore("models", args, opts).bucket_arn)
    assert graph.of("aws:s3/bucketLogging:BucketLogging") == []
    assert len(graph.of("aws:s3/bucket:Bucket")) == 1


def parameters(graph: Graph) -> dict[str, str]:
    (group,) = graph.of("aws:rds/parameterGroup:ParameterGroup")
    return {item["name"]: item["value"] for item in group.inputs["parameters"]}


def test_postgres_takes_tls_only_and_logs_connections_lock_waits_slow_statements_and_schema_changes(
    region: Graph,
) -> None:
    found = parameters(region)
    assert found["rds.force_ssl"] == "1"
    assert found["log_connections"] == found["log_disconnections"] == found["log_lock_waits"] == "1"
    assert found["log_min_duration_statement"] == "1000"
    assert (found["shared_preload_libraries"], found["pgaudit.log"]) == ("pg_stat_statements,pgaudit", "ddl,role")
    instance = region.one("aws:rds/instance:Instance").inputs
    assert instance["parameterGroupName"] == region.one("aws:rds/parameterGroup:ParameterGroup").name


def test_postgres_does_not_write_passwords_into_its_log(region: Graph) -> None:
    # With log_statement, ALTER ROLE … PASSWORD would be there in full; pgAudit redacts it.
    assert parameters(region)["log_statement"] == "none"


@pytest.mark.parametrize(
    ("statements", "classes"),
    [
        (DatabaseStatements.NONE, "none"),
        (DatabaseStatements.WRITES, "ddl,role,write"),
        (DatabaseStatements.ALL, "all"),
    ],
)
def test_the_configuration_chooses_the_statements_that_are_logged(statements: DatabaseStatements, classes: str) -> None:
    args = replace(samples.POSTGRES, statements=statements)
    assert parameters(declare(lambda opts: AwsPostgres("pg", args, opts).endpoint))["pgaudit.log"] == classes


def test_the_parameter_group_is_of_the_major_version() -> None:
    args = replace(samples.POSTGRES, version="16.4")
    graph = declare(lambda opts: AwsPostgres("pg", args, opts).endpoint)
    assert graph.one("aws:rds/parameterGroup:ParameterGroup").inputs["family"] == "postgres16"


def test_the_operating_system_of_postgres_is_measured_each_minute(region: Graph) -> None:
    instance = region.one("aws:rds/instance:Instance").inputs
    assert instance["monitoringInterval"] == 60
    assert instance["monitoringRoleArn"].endswith(":state-monitoring")


def test_measurements_of_postgres_can_be_turned_off() -> None:
    args = replace(samples.POSTGRES, monitoring_interval_s=0)
    graph = declare(lambda opts: AwsPostgres("pg", args, opts).endpoint)
    assert graph.of("aws:iam/role:Role") == []


@pytest.mark.parametrize("interval_s", [-1, 2, 61])
def test_intervals_that_rds_does_not_offer_are_rejected(interval_s: int) -> None:
    args = replace(samples.POSTGRES, monitoring_interval_s=interval_s)
    with pytest.raises(ArgumentError, match=r"pg\.monitoring_interval_s.*RDS measures every 1, 5, 10, 15, 30, 60 s"):
        declare(lambda opts: AwsPostgres("pg", args, opts).endpoint)
