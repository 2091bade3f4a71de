"""Trust policies of roles, as JSON."""

from __future__ import annotations

import json
from typing import Any

STS_AUDIENCE = "sts.amazonaws.com"
"""Audience of the tokens that STS accepts from clusters."""


def render_policy(*statements: dict[str, Any]) -> str:
    """Return a policy document with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def render_service_trust(service: str) -> str:
    """Return a policy that lets an AWS service assume the role."""
    return render_policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def render_pod_trust() -> str:
    """Return a policy that lets pods assume the role by EKS Pod Identity. The association names the pods."""
    return render_policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    )


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
