"""The Kubernetes provider of a cluster: a region's, or one of your own."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s


def declare_provider(
    name: str,
    kubeconfig: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions | None = None,
    context: str | None = None,
) -> k8s.Provider:
    """Declare the provider of one cluster. A cluster that is down fails only what is in it.

    Args:
        name: the resource's name.
        kubeconfig: content or path of a kubeconfig file. None: KUBECONFIG, or `~/.kube/config`.
        opts: Pulumi's options.
        context: a context of the kubeconfig file. None: its current context.
    """
    # Neither `skip_update_unreachable` nor `delete_unreachable`: a cluster that does not answer is an error, not a
    # success without an update, and the state forgets nothing that still exists.
    return k8s.Provider(
        name,
        kubeconfig=kubeconfig,
        context=context,
        enable_server_side_apply=True,
        # Otherwise new content deletes the object before it creates it again, and pods that start meanwhile wait.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=opts,
    )
