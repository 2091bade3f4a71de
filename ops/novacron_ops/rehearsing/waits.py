"""What would be slow to create: how long the providers themselves would wait for it. Limits, never measured times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from novacron_rehearsal import urn as urns
from novacron_rehearsal.resource import ResourceState


@dataclass(frozen=True, slots=True)
class _Limit:
    minutes: float
    source: str


@dataclass(frozen=True, slots=True)
class _Limits:
    """What `waits.yaml` holds."""

    read: str
    by_type: Mapping[str, _Limit]


@dataclass(frozen=True, slots=True)
class Wait:
    """Resources of one type that a provider waits for."""

    type: str
    count: int
    limit_min: float
    """The longest that the provider waits for one of them."""
    source: str
    """What states the limit: a file of the provider, or the stack's own customTimeouts."""


@dataclass(frozen=True, slots=True)
class Link:
    """One resource of a chain."""

    name: str
    type: str
    limit_min: float


@dataclass(frozen=True, slots=True)
class Chain:
    """Resources each of which is begun when the one before it is there."""

    links: tuple[Link, ...] = ()

    @property
    def limit_min(self) -> float:
        """The sum of its limits."""
        return sum(link.limit_min for link in self.links)


@dataclass(frozen=True, slots=True)
class Waits:
    """What a stack's providers would wait for."""

    types: tuple[Wait, ...]
    """The longest first."""
    longest_chain: Chain
    """The chain of dependencies with the highest sum of limits; what has no limit counts as nothing."""
    without_limits: tuple[str, ...]
    """Packages of the stack of which no limit is known at all."""
    read: str
    """When the sources were read."""


def find_waits(resources: Sequence[ResourceState]) -> Waits:
    """What the providers would wait for. `resources` stand in the state's order: what is needed is first."""
    limits = _limits()
    chains: dict[str, Chain] = {}
    counts: Counter[str] = Counter()
    longest: dict[str, tuple[float, str]] = {}
    for state in resources:
        before = min((chains[urn] for urn in state.needs() if urn in chains), key=_longest_first, default=Chain())
        known = limits.by_type.get(state.type)
        own_s = state.custom_timeouts.create_s if state.custom_timeouts else 0
        if not state.custom or (known is None and not own_s):
            chains[state.urn] = before
            continue
        minutes = own_s / 60 if own_s or known is None else known.minutes
        source = "the stack's own customTimeouts" if own_s or known is None else known.source
        chains[state.urn] = Chain((*before.links, Link(urns.parse(state.urn).name, state.type, minutes)))
        counts[state.type] += 1
        longest[state.type] = max(longest.get(state.type, (0.0, "")), (minutes, source))
    types = [Wait(type_, count, *longest[type_]) for type_, count in counts.items()]
    # Dynamic providers are a part of the program: what they wait for is its own affair.
    used = {
        package
        for state in resources
        if state.custom and not (package := state.type.split(":")[0]).startswith("pulumi")
    }
    described = {urns.package_of(type_) for type_ in limits.by_type}
    return Waits(
        types=tuple(sorted(types, key=lambda wait: (-wait.limit_min, wait.type))),
        longest_chain=min(chains.values(), key=_longest_first, default=Chain()),
        without_limits=tuple(sorted(used - described)),
        read=limits.read,
    )


def _longest_first(chain: Chain) -> tuple[float, list[str]]:
    """Of chains that are alike, as those of several regions, always the same one is told."""
    return -chain.limit_min, [link.name for link in chain.links]


@cache
def _limits() -> _Limits:
    content = yaml.safe_load((Path(__file__).parent / "waits.yaml").read_text(encoding="utf-8"))
    return _Limits(content["read"], {type_: _Limit(**row) for type_, row in content["limits"].items()})
