"""Logs of the containers of an EKS cluster: the log group, and the rights of the collector."""

from __future__ import annotations

import json

from novacron_infra.aws.container_logs import declare_container_logs

from tests.unit.aws import samples
from tests.unit.aws.aws_api import problems
from tests.unit.aws.graph import declare
from tests.unit.graph import violations


def test_the_collector_writes_to_an_encrypted_group_and_may_do_nothing_else() -> None:
    graph = declare(
        lambda opts: declare_container_logs("prod", "prod", samples.LOGS_KEY, samples.TAGS, None, opts).role_arn
    )
    group = graph.one("aws:cloudwatch/logGroup:LogGroup").inputs
    assert (group["name"], group["kmsKeyId"], group["retentionInDays"]) == (
        "/aws/eks/prod/containers",
        samples.LOGS_KEY,
        90,
    )
    (statement,) = json.loads(graph.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])["Statement"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    assert all("prod-containers" in resource for resource in statement["Resource"])
    association = graph.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs
    assert (association["namespace"], association["serviceAccount"]) == ("container-logs", "fluent-bit")
    assert [problem for item in graph.custom for problem in [*problems(item), *violations(item)]] == []
