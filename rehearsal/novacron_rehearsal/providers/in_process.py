"""Base of the providers in the engine's own process: no configuration, no process, nothing to release."""

from __future__ import annotations

from novacron_rehearsal.providers.client import CheckFailure, DiffResult
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap


class InProcessProvider:
    """Base of the providers that run in the engine's process. Resources of such a provider exist only in the state."""

    supports_preview = True

    async def check_config(
        self, urn: str, olds: PropertyMap, news: PropertyMap
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Accept any configuration."""
        del urn, olds
        return news, []

    async def diff_config(self, old: ResourceState, news: PropertyMap) -> DiffResult:
        """Return that nothing changes: there is no configuration."""
        del old, news
        return DiffResult(changes=False)

    async def configure(self, urn: str, inputs: PropertyMap) -> None:
        """Do nothing: there is no configuration."""

    async def delete(self, old: ResourceState, timeout_s: float) -> None:
        """Do nothing: nothing exists outside the state."""

    async def cancel(self) -> None:
        """Do nothing: nothing runs."""

    async def close(self) -> None:
        """Do nothing: nothing is open."""
