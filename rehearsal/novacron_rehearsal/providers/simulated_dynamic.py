"""Dynamic resources in a rehearsal: their provider does not run, and their inputs serve as their outputs.

A dynamic provider is code of the program, which may do anything: start commands, call cloud APIs. What only that code
computes stays unknown, so the rehearsal does not show resources with values that no provider returned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from novacron_rehearsal.errors import NotSupportedError, ProviderError
from novacron_rehearsal.providers.client import CheckFailure, DiffResult, ProviderResponse
from novacron_rehearsal.providers.in_process import InProcessProvider
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap


class SimulatedDynamicProvider(InProcessProvider):
    """Package `pulumi-python` of a rehearsal. Calls `on_simulated` with the URN of each resource that it simulates."""

    def __init__(self, on_simulated: Callable[[str], None]) -> None:
        self._on_simulated = on_simulated

    async def diff_config(self, old: ResourceState, news: PropertyMap) -> DiffResult:
        """Return that the engine has to compare the configurations."""
        del old, news
        return DiffResult(changes=None)

    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Accept any inputs: only the provider's own code could check them."""
        del olds, seed
        self._on_simulated(urn)
        return news, []

    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult:
        """Return that the engine has to compare the inputs."""
        del old, news, ignore_changes
        return DiffResult(changes=None)

    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse:
        """Return the inputs as outputs, with an id that depends on the URN."""
        del timeout_s
        identifier = "" if preview else f"simulated-{hashlib.sha256(urn.encode()).hexdigest()[:12]}"
        return ProviderResponse(id=identifier, outputs=dict(inputs))

    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse:
        """Return the recorded outputs; there are none of a resource that this provider did not create.

        Raises:
            ProviderError: for a resource that the program reads and does not manage.
        """
        if not state:
            raise ProviderError(
                f"{urn} is read by a dynamic provider, which a rehearsal does not run; give the program the value as "
                "configuration"
            )
        return ProviderResponse(id=id_, outputs=state, inputs=inputs)

    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse:
        """Return the new inputs as outputs."""
        del timeout_s, ignore_changes, preview
        return ProviderResponse(id=old.id, outputs=dict(news))

    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[PropertyMap, list[CheckFailure]]:
        """Refuse: dynamic providers have no functions."""
        del arguments
        raise NotSupportedError(f"the function {token} of a dynamic provider")
