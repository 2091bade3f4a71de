"""Aliases: a resource's former URNs, from its own aliases and its parents', and states with renames applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.protocol.goal import AliasSpec, Goal
from novacron_rehearsal.providers.registry import make_reference, split_reference
from novacron_rehearsal.state.resource import ResourceState


def find_former_urns(stack: str, project: str, where: str, goal: Goal, former_parent: str) -> Iterator[str]:
    """Yield the URNs that the resource may have had, the most likely first.

    Args:
        stack: name of the stack.
        project: name of the project.
        where: the resource's present URN.
        goal: the resource as the program declares it.
        former_parent: the parent's former URN; empty when the parent was not renamed.
    """
    seen = {where}
    for candidate in _candidates(stack, project, goal, former_parent):
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def apply_renames(old: ResourceState, names: Mapping[str, str]) -> ResourceState:
    """Return a state with renames applied: `names` has the present URN by the former one."""
    if not names:
        return old

    def name(text: str) -> str:
        return names.get(text, text)

    provider = old.provider
    if provider:
        provider_urn, id_ = split_reference(provider)
        provider = make_reference(name(provider_urn), id_)
    return replace(
        old,
        urn=name(old.urn),
        parent=name(old.parent),
        provider=provider,
        dependencies=[name(item) for item in old.dependencies],
        property_dependencies={key: [name(i) for i in items] for key, items in old.property_dependencies.items()},
        deleted_with=name(old.deleted_with),
    )


def _candidates(stack: str, project: str, goal: Goal, former_parent: str) -> Iterator[str]:
    yield from goal.alias_urns
    specs = [*goal.alias_specs]
    for spec in specs:
        parent = "" if spec.no_parent else spec.parent or goal.parent
        yield _make(stack, project, goal, spec, parent)
    if not former_parent:
        return
    for spec in [AliasSpec(), *specs]:
        if spec.parent or spec.no_parent:
            continue
        name = spec.name or goal.name
        yield _make(stack, project, goal, spec, former_parent, _follow(name, goal.parent, former_parent))
        yield _make(stack, project, goal, spec, former_parent)


def _make(stack: str, project: str, goal: Goal, spec: AliasSpec, parent: str, name: str = "") -> str:
    return urn.make(
        spec.stack or stack, spec.project or project, parent, spec.type or goal.type, name or spec.name or goal.name
    )


def _follow(name: str, parent: str, former_parent: str) -> str:
    """Return a child's former name: one that began with the parent's name began with the parent's former name."""
    now, before = urn.parse(parent).name, urn.parse(former_parent).name
    return before + name[len(now) :] if name.startswith(now) else name
