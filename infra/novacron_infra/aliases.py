"""Aliases of components whose type has a new name, so that existing stacks keep their resources."""

from __future__ import annotations

import pulumi


def with_former_type(opts: pulumi.ResourceOptions | None, former: str) -> pulumi.ResourceOptions:
    """Return a component's options with an alias of its former type, such as `novacron:index:ClusterBase`."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=former)]))
