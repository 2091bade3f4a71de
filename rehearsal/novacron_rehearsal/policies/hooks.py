"""The engine's interface to policy packs; `analyzer.py` implements it."""

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
    """A resource as policies see it: with its checked inputs, and in a stack policy with its outputs."""

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
    """Describe a resource for policies. `properties` replaces its inputs when given."""
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
    """Called for every resource, including components, providers and the stack, and once for the whole stack."""

    async def remediate(self, resource: AnalyzedResource) -> PropertyMap:
        """Return the properties after remediation: the same object when no policy changes anything."""
        ...

    async def analyze(self, resource: AnalyzedResource) -> list[PolicyViolated]:
        """Return the violations of one resource."""
        ...

    async def analyze_stack(self, resources: Sequence[AnalyzedResource]) -> list[PolicyViolated]:
        """Return the violations of the stack as a whole."""
        ...


class NoPolicies:
    """The hooks of a run without policy packs."""

    async def remediate(self, resource: AnalyzedResource) -> PropertyMap:
        """Return the properties as they are."""
        return resource.properties

    async def analyze(self, resource: AnalyzedResource) -> list[PolicyViolated]:
        """Return no violations."""
        del resource
        return []

    async def analyze_stack(self, resources: Sequence[AnalyzedResource]) -> list[PolicyViolated]:
        """Return no violations."""
        del resources
        return []
