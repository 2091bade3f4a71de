"""Pulumi's options of the objects in a cluster."""

from __future__ import annotations

import pulumi


def after(opts: pulumi.ResourceOptions, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
    """Return the options of a resource that is created after others, and deleted before them.

    Args:
        opts: Pulumi's other options.
        resources: the others.
    """
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=resources))
