"""Collects the IAM documents of a stack on AWS: trust, permission and resource policies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tools.planned_resources.deployed import PlannedResource

_DOCUMENTS = ("assumeRolePolicy", "policy")


def collect_documents(resources: Iterable[PlannedResource]) -> dict[str, Any]:
    """Return the documents by `<Terraform type>.<name>.<input>`."""
    found: dict[str, Any] = {}
    for item in resources:
        if item.package != "aws":
            continue
        for key in _DOCUMENTS:
            text = item.inputs.get(key)
            if isinstance(text, str) and '"Statement"' in text:
                found[f"{item.type} {item.name} {key}"] = json.loads(text)
    return found
