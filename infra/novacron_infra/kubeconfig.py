"""How to reach and sign in to a cluster, as its kubeconfig says it in any cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping


def render_kubeconfig(name: str, server: str, authority: str, sign_in: Mapping[str, object]) -> str:
    """A kubeconfig of one cluster, as JSON, which kubectl takes too.

    Args:
        name: of the cluster, its user and its context.
        server: URL of the API server.
        authority: the certificate authority's certificate, in base64.
        sign_in: the command that gets a token, as `users[].user.exec` of a kubeconfig.
    """
    cluster = {"server": server, "certificate-authority-data": authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"exec": sign_in}}],
        }
    )
