"""The size of a node pool that an autoscaler owns, when the bounds of the pool change.

The program ignores changes of the size, so Pulumi sends the size in its state with every update of the bounds: the
size at the start. The cloud rejects a size outside the new bounds, and otherwise scales the pool back to that size.
A transform therefore reads the pool before it is registered. When its bounds are about to change, the update sends the
size that the pool has by then, within the new bounds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from novacron_infra.pools import NodeGroupShape


@dataclass(frozen=True, slots=True)
class PoolSize:
    """The nodes of a pool as the cloud reports them. The bounds are None where nothing scales the pool."""

    nodes: int
    minimum: int | None
    maximum: int | None


def choose_size(size: PoolSize, group: NodeGroupShape) -> int | None:
    """Return the number of nodes that an update of a pool sends, or None when its bounds stay as they are."""
    if (size.minimum, size.maximum) == (group.minimum_nodes, group.maximum_nodes):
        return None
    return min(max(size.nodes, group.minimum_nodes), group.maximum_nodes)


def follow_autoscaler(
    group: NodeGroupShape,
    read_size: Callable[[Mapping[str, Any]], Awaitable[PoolSize | None]],
    write_size: Callable[[int], Mapping[str, Any]],
) -> pulumi.ResourceTransform:
    """Return the transform of an autoscaled pool, whose resource ignores changes of its size and of nothing else.

    Args:
        group: the pool as the program declares it.
        read_size: returns the pool's present size, given its properties; None when the pool does not exist yet.
        write_size: returns the properties that state a size.
    """

    async def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        size = await read_size(args.props)
        nodes = None if size is None else choose_size(size, group)
        if nodes is None:
            return None
        args.opts.ignore_changes = []
        return pulumi.ResourceTransformResult(props={**args.props, **write_size(nodes)}, opts=args.opts)

    return transform


async def find_text(value: object) -> str | None:
    """Return a property's text as a transform gets it, or None while it is unknown."""
    output = pulumi.Output.from_input(value)
    found = await output.future() if await output.is_known() else None
    return found if isinstance(found, str) else None
