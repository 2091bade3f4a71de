"""What the engine asks of policy packs. `analyzer.py` answers with real packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from novacron_rehearsal import urn
from novacron_rehearsal.events import PolicyViolated
from novacron_rehearsal.state.resource import CustomTimeouts, ResourceState
from novacron_rehearsal.values import PropertyMap


@dataclass(frozen=True, slots=True)
class AnalyzedResource:
    """A resource as policies see it: its checked inputs before creation, its outputs in a stack policy."""

    urn: str
    type: str
    name: str
    properties: PropertyMap
    parent: str = ""
    provider: AnalyzedResource | None = None
    protect: bool = False
    ignore_changes: list[str] = field(default_factory=list[str])
    delete_before_replace: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list[str])
    aliases: list[str] = field(default_factory=list[str])
    custom_timeouts: CustomTimeouts | None = None
    dependencies: list[str] = field(default_factory=list[str])
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def describe(
    state: ResourceState, provider: ResourceState | None, properties: PropertyMap | None = None
) -> AnalyzedResource:
    """A resource as policies see it."""
    return AnalyzedResource(
        urn=state.urn,
        type=state.type,
        name=urn.parse(state.urn).name,
        properties=state.inputs if properties is None else properties,
        parent=state.parent,
        provider=describe(provider, None) if provider is not None else None,
        protect=state.protect,
        ignore_changes=state.ignore_changes,
        additional_secret_outputs=state.additional_secret_outputs,
        aliases=state.aliases,
        custom_timeouts=state.custom_timeouts,
        dependencies=state.dependencies,
        property_dependencies=state.property_dependencies,
    )


class PolicyHooks(Protocol):
    """Asked for every resource (components, providers and the stack too), and once for the whole stack."""

    async def remediate(self, resource: AnalyzedResource) -> PropertyMap:
        """The properties as remediating policies want them; the same object when none changes anything."""
        ...

    async def analyze(self, resource: AnalyzedResource) -> list[PolicyViolated]:
        """What one resource violates."""
        ...

    async def analyze_stack(self, resources: Sequence[AnalyzedResource]) -> list[PolicyViolated]:
        """What the stack as a whole violates."""
        ...


class NoPolicies:
    """A run without policy packs."""

    async def remediate(self, resource: AnalyzedResource) -> PropertyMap:
        """Nothing changes."""
        return resource.properties

    async def analyze(self, resource: AnalyzedResource) -> list[PolicyViolated]:
        """Nothing is violated."""
        del resource
        return []

    async def analyze_stack(self, resources: Sequence[AnalyzedResource]) -> list[PolicyViolated]:
        """Nothing is violated."""
        del resources
        return []
