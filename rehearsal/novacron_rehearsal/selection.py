"""Which resources a run is about: the targets alone, or all but what is excluded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from novacron_rehearsal import urn
from novacron_rehearsal.resource import ResourceState
from novacron_rehearsal.run import Run


class Selection:
    """Asked of every resource once, in the order of registration: what it needs was asked of before."""

    def __init__(self, run: Run, news: Mapping[str, ResourceState]) -> None:
        self._run = run
        self._news = news
        self._left_out: set[str] = set()

    def takes(self, new: ResourceState) -> bool:
        """Whether the run may change the resource. The stack and its providers are always in, as on the CLI."""
        if new.type == urn.STACK_TYPE or urn.is_provider(new.type):
            return True
        if self._run.targets:
            return self._targeted(new)
        if self._run.exclude and self._excluded(new):
            self._left_out.add(new.urn)
            return False
        return True

    def _targeted(self, new: ResourceState) -> bool:
        return new.urn in self._run.targets or (
            self._run.target_dependents
            and any(self._is_target_or_dependent(item) for item in (*new.dependencies, new.parent))
        )

    def _is_target_or_dependent(self, where: str) -> bool:
        if where in self._run.targets:
            return True
        state = self._news.get(where)
        return (
            state is not None
            and state.type != urn.STACK_TYPE
            and any(self._is_target_or_dependent(item) for item in (*state.dependencies, state.parent))
        )

    def _excluded(self, new: ResourceState) -> bool:
        if matches_any(self._run.exclude, new.urn):
            return True
        return self._run.exclude_dependents and any(
            item in self._left_out or matches_any(self._run.exclude, item) for item in new.needs()
        )


def kept_from_deletion(run: Run, states: Sequence[ResourceState]) -> set[str]:
    """The URNs of what is excluded and of all that it needs, which a deletion leaves.

    When dependents are excluded too these are all children of the stack, which everything needs: as on the CLI, nothing
    is deleted then.
    """
    dependents: dict[str, list[str]] = {}
    needs = {state.urn: state.needs() for state in states}
    for where, needed in needs.items():
        for item in needed:
            dependents.setdefault(item, []).append(where)
    frontier = [where for where in needs if matches_any(run.exclude, where)]
    kept: set[str] = set()
    while frontier:
        where = frontier.pop()
        if where not in kept:
            kept.add(where)
            frontier += needs.get(where, ())
            if run.exclude_dependents:
                frontier += dependents.get(where, ())
    return kept


def matches_any(patterns: Iterable[str], where: str) -> bool:
    """Whether a URN fits one of the patterns: `*` is anything but a colon, `**` anything."""
    return any(_compiled(pattern)(where) is not None for pattern in patterns)


@cache
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    parts = (re.escape(part).replace(r"\*", "[^:]*") for part in pattern.split("**"))
    return re.compile(".*".join(parts)).fullmatch
