"""Trust policies of roles, as JSON, and the account that they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

STS_AUDIENCE = "sts.amazonaws.com"
"""Audience of the tokens that STS accepts from clusters."""


def render_policy(*statements: dict[str, Any]) -> str:
    """Return a policy document with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def render_service_trust(service: str) -> str:
    """Return a policy that lets an AWS service assume the role."""
    return render_policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def find_account(account_id: str | None, parent: pulumi.Resource) -> pulumi.Output[str]:
    """Return the AWS account: the one given, or else the one that STS returns for the parent's provider."""
    if account_id is not None:
        return pulumi.Output.from_input(account_id)
    return aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=parent)).account_id


def trust_service(service: str, source: str, account_id: str | None, parent: pulumi.Resource) -> pulumi.Output[str]:
    """Return a policy that lets an AWS service assume the role on behalf of one account's resource only.

    Without these conditions a service could be made to use the role for somebody else. EC2 and S3 replication do not
    document that they send them: their roles use `render_service_trust`.

    Args:
        service: principal of the service, such as eks.amazonaws.com.
        source: pattern of the resource's ARN, with `{partition}` and `{account}`.
        account_id: the account. None: the one that STS returns.
        parent: the component that declares the role.
    """
    partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=parent)).partition

    def render(known: Mapping[str, str]) -> str:
        conditions = {
            "StringEquals": {"aws:SourceAccount": known["account"]},
            "ArnLike": {"aws:SourceArn": source.format_map(known)},
        }
        return render_policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": conditions,
            }
        )

    return pulumi.Output.all(account=find_account(account_id, parent), partition=partition).apply(render)


def trust_pods(
    namespace: str, service_account: str, account_id: str | None, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Return a policy that lets the pods of one service account assume the role by EKS Pod Identity.

    Args:
        namespace: the service account's namespace.
        service_account: its name.
        account_id: the account of the cluster. None: the one that STS returns.
        parent: the component that declares the role.
    """

    def render(account: str) -> str:
        return render_policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": account,
                        "aws:RequestTag/kubernetes-namespace": namespace,
                        "aws:RequestTag/kubernetes-service-account": service_account,
                    }
                },
            }
        )

    return find_account(account_id, parent).apply(render)


def find_issuer(provider_arn: str) -> str:
    """Return the URL of an OIDC provider's issuer, without its `https://`."""
    return provider_arn.partition(":oidc-provider/")[2]


def render_service_account_trust(provider_arn: str, namespace: str, service_account: str) -> str:
    """Return a policy that lets a Kubernetes service account assume the role with a token of its cluster.

    Args:
        provider_arn: ARN of the cluster's OIDC provider in IAM.
        namespace: the service account's namespace.
        service_account: its name.
    """
    issuer = find_issuer(provider_arn)
    return render_policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                    f"{issuer}:aud": STS_AUDIENCE,
                }
            },
        }
    )
