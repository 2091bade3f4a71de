"""How to reach and sign in to a cluster, from what AKS gives. Pure, without a resource."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import yaml

from novacron_infra.kubeconfig import render_kubeconfig

KUBELOGIN_SERVER_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application of every AKS cluster with Entra ID (kubelogin's documentation, read on 2026-11-25)."""


def from_given(known: Mapping[str, str]) -> str:
    """A kubeconfig for `name` from the one that AKS gives (base64 of YAML), without what that one signs in with."""
    given: dict[str, Any] = yaml.safe_load(base64.b64decode(known["given"]))
    server = given["clusters"][0]["cluster"]
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "kubelogin",
        "args": ["get-token", "--login", "azurecli", "--server-id", KUBELOGIN_SERVER_ID],
        "interactiveMode": "Never",
    }
    return render_kubeconfig(known["name"], server["server"], server["certificate-authority-data"], sign_in)
