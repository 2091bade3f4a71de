"""Creation timeouts: how long a provider waits for a new resource. Limits that providers state, not measured times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from novacron_rehearsal import urn as urns
from novacron_rehearsal.state.resource import ResourceState

_PACKAGES_WITHOUT_WAITS = {"random"}
"""Packages that compute their resources and wait for nothing."""


@dataclass(frozen=True, slots=True)
class _StatedTimeout:
    minutes: float
    source: str


@dataclass(frozen=True, slots=True)
class _StatedTimeouts:
    """The content of `timeouts.yaml`."""

    as_of: str
    by_type: Mapping[str, _StatedTimeout]


@dataclass(frozen=True, slots=True)
class Timeout:
    """The creation timeout of resources of one type."""

    type: str
    count: int
    limit_min: float
    """The longest timeout among these resources."""
    source: str
    """The origin of the timeout: a file of the provider, or the stack's own customTimeouts."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A resource in a chain of dependencies."""

    name: str
    type: str
    limit_min: float


@dataclass(frozen=True, slots=True)
class DependencyChain:
    """Resources that are created one after the other, because each depends on the one before."""

    links: tuple[ChainLink, ...] = ()

    @property
    def limit_min(self) -> float:
        """The sum of the timeouts."""
        return sum(link.limit_min for link in self.links)


@dataclass(frozen=True, slots=True)
class CreationTimeouts:
    """The creation timeouts of a stack's resources."""

    types: tuple[Timeout, ...]
    """By type, the longest first."""
    longest_chain: DependencyChain
    """The chain of dependencies with the largest sum; resources without a known timeout count as 0."""
    unknown_packages: tuple[str, ...]
    """Packages of the stack of which no timeout is known."""
    as_of: str
    """Date on which the sources were read."""


def find_timeouts(resources: Sequence[ResourceState]) -> CreationTimeouts:
    """Return the creation timeouts of resources in the state's order, in which dependencies come first."""
    stated = _load_stated_timeouts()
    chains: dict[str, DependencyChain] = {}
    counts: Counter[str] = Counter()
    longest: dict[str, tuple[float, str]] = {}
    for state in resources:
        before = min(
            (chains[urn] for urn in state.needs() if urn in chains), key=_longest_first, default=DependencyChain()
        )
        known = stated.by_type.get(state.type)
        custom_s = state.custom_timeouts.create_s if state.custom_timeouts else 0
        if not state.custom or (known is None and not custom_s):
            chains[state.urn] = before
            continue
        minutes = custom_s / 60 if custom_s or known is None else known.minutes
        source = "the stack's own customTimeouts" if custom_s or known is None else known.source
        link = ChainLink(urns.parse(state.urn).name, state.type, minutes)
        chains[state.urn] = DependencyChain((*before.links, link))
        counts[state.type] += 1
        longest[state.type] = max(longest.get(state.type, (0.0, "")), (minutes, source))
    types = [Timeout(type_, count, *longest[type_]) for type_, count in counts.items()]
    # Dynamic providers are part of the program, which knows how long it waits.
    used = {
        package
        for state in resources
        if state.custom and not (package := state.type.split(":")[0]).startswith("pulumi")
    }
    used -= _PACKAGES_WITHOUT_WAITS
    described = {urns.package_of(type_) for type_ in stated.by_type}
    return CreationTimeouts(
        types=tuple(sorted(types, key=lambda timeout: (-timeout.limit_min, timeout.type))),
        longest_chain=min(chains.values(), key=_longest_first, default=DependencyChain()),
        unknown_packages=tuple(sorted(used - described)),
        as_of=stated.as_of,
    )


def _longest_first(chain: DependencyChain) -> tuple[float, list[str]]:
    """Return a sort key. Names break ties, so that every run reports the same one of several equal regions."""
    return -chain.limit_min, [link.name for link in chain.links]


@cache
def _load_stated_timeouts() -> _StatedTimeouts:
    content = yaml.safe_load((Path(__file__).parent / "timeouts.yaml").read_text(encoding="utf-8"))
    return _StatedTimeouts(
        content["as_of"], {type_: _StatedTimeout(**stated) for type_, stated in content["timeouts"].items()}
    )
