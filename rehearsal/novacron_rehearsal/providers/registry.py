"""The providers of one run by reference (`urn::id`): started on first use, configured once, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.events import Diagnostic, EventSink, Severity
from novacron_rehearsal.providers.builtin import BUILTIN_PACKAGE
from novacron_rehearsal.providers.client import Provider
from novacron_rehearsal.providers.launch import DYNAMIC_PACKAGE, RANDOM_PACKAGE, Plugins, Started, start
from novacron_rehearsal.providers.own_random import RandomProvider
from novacron_rehearsal.providers.recorded import RecordedProvider
from novacron_rehearsal.providers.simulated_dynamic import SimulatedDynamicProvider
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.urn import package_of
from novacron_rehearsal.values import UNKNOWN_SENTINEL, PropertyMap, contains_unknown

_SIMULATED_DYNAMIC = (
    "simulated: its dynamic provider did not run. Its inputs serve as its outputs; an output that only the provider "
    "computes is unknown"
)
_OWN_RANDOM = "NovaCron's own provider generates values, because Pulumi's plug-in for random is not installed"


def make_reference(urn: str, id_: str) -> str:
    """Return the reference by which resources name their provider. In previews its id is unknown."""
    return f"{urn}::{id_ or UNKNOWN_SENTINEL}"


def split_reference(text: str) -> tuple[str, str]:
    """Split a provider reference into URN and id."""
    urn, _, id_ = text.rpartition("::")
    return urn, id_


class ProviderRegistry:
    """Starts, configures, returns and closes providers."""

    def __init__(self, plugins: Plugins, builtin: Provider, emit: EventSink) -> None:
        self.engine_address = ""
        self._plugins = plugins
        self._builtin = builtin
        self._emit = emit
        self._started: list[Started] = []
        self.started_plugins: set[str] = set()
        """Packages whose provider runs as a process of this run. Those are not simulated."""
        self.simulated_dynamic: dict[str, None] = {}
        """URNs of the simulated dynamic resources, in order."""
        self.outdated: dict[str, None] = {}
        """URNs of recorded resources whose inputs have changed, in order."""
        self._bound: dict[str, asyncio.Future[Provider | None]] = {}
        self._old_states: Callable[[str], ResourceState | None] = lambda _: None

    def use_states(self, find: Callable[[str], ResourceState | None]) -> None:
        """Set how to find a provider's state by reference, for providers that the program does not register."""
        self._old_states = find

    async def launch(self, package: str, version: str, urn: str) -> Started:
        """Start a provider for one provider resource. It is not configured yet."""
        if package == BUILTIN_PACKAGE:
            return Started(self._builtin, None)
        if self._plugins.recorded:
            return Started(RecordedProvider(self._mark_outdated), None)
        if package == DYNAMIC_PACKAGE and self._plugins.refuses(package):
            return Started(SimulatedDynamicProvider(self._simulated), None)

        if package == RANDOM_PACKAGE and self._plugins.uses_own(package, version):
            self._emit(Diagnostic(Severity.INFO, _OWN_RANDOM, urn))
            return Started(RandomProvider(), None)

        def on_line(line: str, is_stderr: bool) -> None:
            severity = Severity.WARNING if is_stderr else Severity.INFO
            self._emit(Diagnostic(severity, f"[{package}] {line}", urn))

        started = await start(self._plugins, package, version, self.engine_address, on_line)
        self._started.append(started)
        if started.child is not None:
            self.started_plugins.add(package)
        return started

    def _mark_outdated(self, urn: str) -> None:
        self.outdated[urn] = None

    def _simulated(self, urn: str) -> None:
        if urn not in self.simulated_dynamic:
            self.simulated_dynamic[urn] = None
            self._emit(Diagnostic(Severity.WARNING, _SIMULATED_DYNAMIC, urn))

    async def bind(self, ref: str, started: Started, inputs: PropertyMap) -> None:
        """Configure a started provider, and return it from `get` for this reference.

        With unknown values in its configuration it stays unconfigured, and `get` returns `None`.
        """
        future: asyncio.Future[Provider | None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        self._bound[ref] = future
        try:
            if contains_unknown(inputs) and not self._plugins.recorded:
                future.set_result(None)
            else:
                await started.provider.configure(split_reference(ref)[0], inputs)
                future.set_result(started.provider)
        except Exception as error:
            future.set_exception(error)
            raise

    async def get(self, ref: str) -> Provider | None:
        """Return the provider of a reference; `None` when its configuration is unknown.

        Raises:
            ProviderError: when neither this run nor the state has the provider.
        """
        urn, id_ = split_reference(ref)
        if ref in self._bound:
            return await self._bound[ref]
        state = self._old_states(ref)
        if state is None:
            raise ProviderError(f"provider {urn} (id {id_}) is neither registered by the program nor in the state")
        self._bound[ref] = asyncio.get_running_loop().create_future()
        self._bound[ref].add_done_callback(_retrieve)
        future = self._bound[ref]
        try:
            version = state.inputs.get("version")
            started = await self.launch(package_of(state.type), version if isinstance(version, str) else "", urn)
            await started.provider.configure(urn, state.inputs)
            future.set_result(started.provider)
        except Exception as error:  # noqa: BLE001 - raised in every task that awaits this provider
            future.set_exception(error)
        return await future

    async def cancel(self) -> None:
        """Ask every provider to cancel its operations."""
        await asyncio.gather(*(started.provider.cancel() for started in self._started))

    async def close(self) -> None:
        """Stop every provider."""
        await asyncio.gather(*(started.stop() for started in self._started), return_exceptions=True)
        self._started.clear()


def _retrieve(future: asyncio.Future[Provider | None]) -> None:
    """Mark an error as retrieved: `bind` has raised it already."""
    if not future.cancelled():
        future.exception()
