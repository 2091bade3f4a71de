"""Which resources a run may touch: its targets, what it excludes, and what still can be done after an error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from novacron_rehearsal import urn
from novacron_rehearsal.engine.run import Run
from novacron_rehearsal.state.resource import ResourceState


class Selection:
    """What the options leave out, and what was not done."""

    def __init__(self, run: Run, news: Mapping[str, ResourceState]) -> None:
        self._run = run
        self._news = news
        self._excluded = [_pattern(text) for text in run.exclude]
        self.not_done: set[str] = set()
        """URNs that failed, or were skipped because what they need was not done."""
        self.not_made: set[str] = set()
        """URNs that do not exist and are excluded."""

    def excludes(self, where: str) -> bool:
        """Whether a pattern of the exclusions fits."""
        return any(pattern.fullmatch(where) for pattern in self._excluded)

    def includes(self, new: ResourceState) -> bool:
        """Whether the run may touch it; providers and the stack always."""
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
        """An excluded resource that does not exist and that it needs; empty when there is none."""
        return min(self.not_made.intersection(new.needs()), default="")

    def blocks(self, new: ResourceState) -> bool:
        """Whether something that it needs was not done, so that it is to be skipped."""
        return not self.not_done.isdisjoint(new.needs())


def _pattern(text: str) -> re.Pattern[str]:
    """`*` is anything within a part of a URN, `**` anything, as on the CLI."""
    parts = (("[^:]*").join(map(re.escape, part.split("*"))) for part in text.split("**"))
    return re.compile(".*".join(parts))
