"""The Kubernetes provider of a region's cluster."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s


def declare_provider(
    name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
) -> k8s.Provider:
    """Declare the provider of one cluster. A cluster that is down fails only what is in it."""
    # Neither `skip_update_unreachable` nor `delete_unreachable`: a cluster that does not answer is an error, not a
    # success without an update, and the state forgets nothing that still exists.
    return k8s.Provider(name, kubeconfig=kubeconfig, enable_server_side_apply=True, opts=opts)
