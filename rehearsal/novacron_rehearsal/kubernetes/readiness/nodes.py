"""Why nodes accept no pods: a full disk, no memory, or no contact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_rehearsal.kubernetes.objects import Object, find_condition, find_text, name_of

_MAX_NODES = 3
"""Nodes that a message lists."""
_PRESSURES = {
    "DiskPressure": "its disk is nearly full",
    "MemoryPressure": "its memory is nearly used up",
    "PIDPressure": "it runs nearly as many processes as it can",
}


def explain_nodes(nodes: Sequence[Object]) -> list[str]:
    """Return why nodes accept no pods: the first of them, each with its reasons."""
    reasons = [f"node {name_of(node)}: {reason}" for node in nodes if (reason := ", and ".join(_explain_node(node)))]
    more = len(reasons) - _MAX_NODES
    return [*reasons[:_MAX_NODES], f"{more} more nodes accept no pods"] if more > 0 else reasons


def _explain_node(node: Object) -> Iterator[str]:
    ready = find_condition(node, "Ready")
    if ready.get("status") in ("False", "Unknown"):
        yield f"it is not ready: {find_text(ready, 'message').rstrip('.') or find_text(ready, 'reason') or 'unknown'}"
    for condition, meaning in _PRESSURES.items():
        if find_condition(node, condition).get("status") == "True":
            yield f"{meaning} ({condition})"
