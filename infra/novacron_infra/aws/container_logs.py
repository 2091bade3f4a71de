"""Logs of the containers of an EKS cluster in CloudWatch: the log group, and the role of the collector.

The collector itself is a chart: `workloads.add_ons.container_logs`.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.iam import render_policy
from novacron_infra.aws.identity import EksPodRole, EksPodRoleArgs
from novacron_infra.tags import Tags
from novacron_infra.workloads.add_ons import container_logs

RETENTION_DAYS = 90
"""As long as the logs of the control plane."""


def make_group_name(cluster: str) -> str:
    """Return the name of the log group of a cluster's containers."""
    return f"/aws/eks/{cluster}/containers"


def declare_container_logs(
    name: str,
    cluster_name: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    tags: Tags,
    account_id: str | None,
    opts: pulumi.ResourceOptions,
) -> EksPodRole:
    """Declare the log group of a cluster's containers, and the collector's role, which may write to it only.

    Args:
        name: name of the cluster and of the region's component, which the names of the resources begin with.
        cluster_name: the cluster, once it accepts pod identities.
        key_arn: key of the logs.
        tags: tags of the resources.
        account_id: AWS account of the cluster. None: the one that STS returns.
        opts: Pulumi's options.
    """
    group = aws.cloudwatch.LogGroup(
        f"{name}-containers",
        name=make_group_name(name),
        kms_key_id=key_arn,
        retention_in_days=RETENTION_DAYS,
        tags=tags.of("logs"),
        opts=opts,
    )
    args = EksPodRoleArgs(
        cluster_name=cluster_name,
        namespace=container_logs.NAMESPACE,
        service_account=container_logs.RELEASE,
        policy=group.arn.apply(_writes_to),
        tags=tags,
        account_id=account_id,
    )
    return EksPodRole(f"{name}-containers", args, opts)


def _writes_to(group_arn: str) -> str:
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return render_policy({"Effect": "Allow", "Action": actions, "Resource": [group_arn, f"{group_arn}:log-stream:*"]})
