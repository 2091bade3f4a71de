"""Selects the resources that a run may change: its targets, without what it excludes or must skip after an error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from novacron_rehearsal import urn
from novacron_rehearsal.engine.run import Run
from novacron_rehearsal.state.resource import ResourceState


class Selection:
    """The resources that the options leave out, and those that were not completed."""

    def __init__(self, run: Run, news: Mapping[str, ResourceState]) -> None:
        self._run = run
        self._news = news
        self._excluded = [_pattern(text) for text in run.exclude]
        self.not_done: set[str] = set()
        """URNs that failed, or were skipped because a resource that they need failed."""
        self.not_made: set[str] = set()
        """URNs of excluded resources that do not exist."""

    def excludes(self, where: str) -> bool:
        """Return whether an exclusion matches the URN."""
        return any(pattern.fullmatch(where) for pattern in self._excluded)

    def includes(self, new: ResourceState) -> bool:
        """Return whether the run may change a resource. It may always change providers and the stack."""
        if new.type == urn.STACK_TYPE or urn.is_provider(new.type):
            return True
        if not self._run.targets:
            return not self.excludes(new.urn)
        if new.urn in self._run.targets:
            return True
        return self._run.target_dependents and any(
            self._is_target_or_dependent(item) for item in (*new.dependencies, new.parent)
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

    def missing(self, new: ResourceState) -> str:
        """Return an excluded resource that the resource needs and that does not exist; empty when there is none."""
        return min(self.not_made.intersection(new.needs()), default="")

    def blocks(self, new: ResourceState) -> bool:
        """Return whether a resource must be skipped because one that it needs was not completed."""
        return not self.not_done.isdisjoint(new.needs())


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern: `*` matches within one part of a URN, `**` across parts, as on the CLI."""
    parts = (("[^:]*").join(map(re.escape, part.split("*"))) for part in text.split("**"))
    return re.compile(".*".join(parts))
