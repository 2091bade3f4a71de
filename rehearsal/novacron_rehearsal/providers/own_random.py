"""A provider of the `random` package, for stacks that the engine deploys without Pulumi's own provider.

Its values come from the operating system. They exist in the state alone, and any change of an input replaces them.
"""

from __future__ import annotations

from random import SystemRandom

from novacron_rehearsal.errors import NotSupportedError
from novacron_rehearsal.providers.client import CheckFailure, DiffResult, ProviderResponse
from novacron_rehearsal.providers.in_process import InProcessProvider
from novacron_rehearsal.providers.random_values import RandomKind, find_random_kind
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import UNKNOWN, PropertyMap, contains_unknown, without_secrets

_NO_HASH = "bcryptHash"
"""An output that this provider leaves out: Python has no bcrypt."""


class RandomProvider(InProcessProvider):
    """Package `random`."""

    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Accept the inputs of a kind that exists."""
        del olds, seed
        _find_kind(urn)
        return news, []

    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult:
        """Replace the value when an input changes."""
        del ignore_changes
        changed = sorted(
            key
            for key in {*old.inputs, *news}
            if not key.startswith("__") and without_secrets(old.inputs.get(key)) != without_secrets(news.get(key))
        )
        return DiffResult(changes=bool(changed), replaces=changed, diffs=changed)

    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse:
        """Generate a value."""
        del timeout_s
        kind = _find_kind(urn)
        computed = [name for name in kind.computed if name != _NO_HASH]
        if preview or any(contains_unknown(value) for value in inputs.values()):
            return ProviderResponse("", {**inputs, **dict.fromkeys(computed, UNKNOWN)})
        given = {key: without_secrets(value) for key, value in inputs.items() if value is not None}
        made = kind.make(given, SystemRandom())
        return ProviderResponse(made.id, {**made.outputs, **inputs})

    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse:
        """Return the value of the state."""
        if not state:
            raise NotSupportedError(f"importing or reading {parse(urn).type}")
        return ProviderResponse(id_, state, inputs)

    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse:
        """Keep the value. Never called for a change of inputs: that replaces it."""
        del timeout_s, ignore_changes, preview
        return ProviderResponse(old.id, {**old.outputs, **news})

    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[PropertyMap, list[CheckFailure]]:
        """Refuse every call: the package has no functions."""
        del arguments
        raise NotSupportedError(f"the function {token}")


def _find_kind(urn: str) -> RandomKind:
    token = parse(urn).type
    kind = find_random_kind(token)
    if kind is None:
        raise NotSupportedError(token)
    return kind
