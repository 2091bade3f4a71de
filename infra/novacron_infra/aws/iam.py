"""Trust policies of roles, as JSON."""

from __future__ import annotations

import json
from typing import Any


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
