"""The names that a resource may have had before: its own aliases, and those that follow from its parents'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from novacron_rehearsal import urn
from novacron_rehearsal.goal import AliasSpec, Goal


def old_urns(stack: str, project: str, where: str, goal: Goal, renamed: Mapping[str, str]) -> Iterator[str]:
    """Candidates for the resource's former URN, nearest first.

    Args:
        stack: name of the stack.
        project: name of the project.
        where: the resource's present URN.
        goal: what the program wants of it.
        renamed: former to present URN of everything renamed so far in this run.
    """
    former_parents = [old for old, new in renamed.items() if new == goal.parent]
    seen = {where}
    for candidate in _candidates(stack, project, goal, former_parents):
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def _candidates(stack: str, project: str, goal: Goal, former_parents: list[str]) -> Iterator[str]:
    yield from goal.alias_urns
    specs = [*goal.alias_specs]
    for spec in specs:
        parent = "" if spec.no_parent else spec.parent or goal.parent
        yield _make(stack, project, goal, spec, parent)
    for former in former_parents:
        for spec in [AliasSpec(), *specs]:
            if spec.parent or spec.no_parent:
                continue
            name = spec.name or goal.name
            yield _make(stack, project, goal, spec, former, _follow(name, goal.parent, former))
            yield _make(stack, project, goal, spec, former)


def _make(stack: str, project: str, goal: Goal, spec: AliasSpec, parent: str, name: str = "") -> str:
    return urn.make(
        spec.stack or stack, spec.project or project, parent, spec.type or goal.type, name or spec.name or goal.name
    )


def _follow(name: str, parent: str, former_parent: str) -> str:
    """Children named after their parent were named after its former name."""
    now, before = urn.parse(parent).name, urn.parse(former_parent).name
    return before + name[len(now) :] if name.startswith(now) else name
