"""The order of a snapshot: every resource comes after those that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_rehearsal.state.resource import ResourceState


def sort_by_dependencies(states: Sequence[ResourceState]) -> list[ResourceState]:
    """Sort resources: dependencies, parents and providers come first. Otherwise the order stays."""
    by_urn: dict[str, list[ResourceState]] = {}
    for state in states:
        by_urn.setdefault(state.urn, []).append(state)
    done: set[int] = set()
    result: list[ResourceState] = []
    for root in states:
        stack: list[tuple[ResourceState, bool]] = [(root, False)]
        while stack:
            state, expanded = stack.pop()
            if id(state) in done:
                continue
            if expanded:
                done.add(id(state))
                result.append(state)
                continue
            stack.append((state, True))
            for where in reversed(state.needs()):
                stack.extend(
                    (other, False) for other in by_urn.get(where, ()) if id(other) not in done and other is not state
                )
    return result
